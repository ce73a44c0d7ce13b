"""The mutations that are kept: what each makes wrong, where, and which tests must say so."""

from tests.mutations.copies import Mutation

MUTATIONS = (
    Mutation(
        "commits the highest finished offset",
        "core/ledger.py",
        "return order[0] if order else self.position",
        "return self.position",
        (
            "core/test_ledger.py::test_commits_the_first_unfinished_offset",
            "actors/test_partition.py::"
            "test_commits_below_the_first_unfinished_message_and_knows_what_is_finished_above",
        ),
    ),
    Mutation(
        "counts what ends under an earlier lease",
        "actors/endings.py",
        "        if not message.partition.lease.may_commit:\n"
        "            self._notices.late()\n"
        "            return None\n",
        "",
        (
            "actors/test_beginnings.py::"
            "test_a_completion_of_an_earlier_assignment_is_counted_and_moves_nothing",
        ),
    ),
    Mutation(
        "commits under a lease that has ended",
        "actors/committer.py",
        "for each in owned if each.lease.may_commit}",
        "for each in owned}",
        ("actors/test_committer.py::test_never_commits_under_an_ended_lease",),
    ),
    Mutation(
        "gives a lease back that has ended",
        "core/leases.py",
        "if _ORDER.index(state) > _ORDER.index(self.state):",
        "if state is not self.state:",
        ("core/test_leases.py::test_an_ended_lease_commits_nothing_whatever_comes_late",),
    ),
    Mutation(
        "commits a message before its handler has ended",
        "actors/partition.py",
        "        return max(first or 0, self.offset_of(self.record))\n\n    def finished_above",
        "        return max(first or 0, self.offset_of(self.record) + 1)\n\n    def finished_above",
        ("actors/test_partition.py::test_commits_up_to_the_message_in_hand",),
    ),
    Mutation(
        "forgets to wake a lane",
        "actors/pump.py",
        "        if follow is not None:\n            self._follow(worker, route, follow)\n",
        "",
        ("actors/test_order.py::test_messages_of_one_key_wait_for_each_other_and_other_keys_do_not",),
    ),
    Mutation(
        "starts a second message of a busy key",
        "actors/baton.py",
        "behind = key is not None and key in partition.lanes",
        "behind = False",
        ("actors/test_order.py::test_messages_of_one_key_wait_for_each_other_and_other_keys_do_not",),
    ),
    Mutation(
        "lets the lane go on past a message that waits for its next attempt",
        "actors/endings.py",
        "        self._again(message, decision.wait)\n        return None",
        "        self._again(message, decision.wait)\n"
        "        lane = message.partition.lanes.get(message.key)\n"
        "        return lane.popleft() if lane else None",
        ("actors/test_order.py::test_what_stood_behind_a_message_when_it_failed_waits_for_its_retry",),
    ),
    Mutation(
        "gives the bytes of a message back twice",
        "actors/partition.py",
        "            self.gate.release(message.size)\n",
        "            self.gate.release(message.size)\n            self.gate.release(message.size)\n",
        (
            "actors/test_partition.py::"
            "test_a_fetch_is_let_go_when_it_is_read_and_an_open_message_when_it_is_finished",
        ),
    ),
    Mutation(
        "opens the intake before half of it is handled",
        "core/flow.py",
        "self.held * 2 <= self.limit",
        "self.held <= self.limit",
        ("core/test_flow.py::test_closes_at_its_limit_and_opens_at_half_of_it",),
    ),
    Mutation(
        "does not look at the map of the last commit",
        "actors/poller.py",
        "            partition.resume(found.finished)\n            return",
        "            partition.resume(type(found.finished)())\n            return",
        ("actors/test_resuming.py::test_what_the_map_mentions_is_not_handled_again",),
    ),
    Mutation(
        "says in a map that is cut that more is finished",
        "core/offset_map.py",
        '// len(packed) * 15 // 16].rstrip("0")',
        '// len(packed) * 15 // 16].rstrip("0") + "1"',
        ("core/test_offset_map.py::test_when_all_is_too_much_the_front_of_it_is_kept",),
    ),
    Mutation(
        "does not wait for handlers in a drain",
        "actors/partition.py",
        "            if not self.running:\n                self.drained.set()",
        "            self.drained.set()",
        ("actors/test_order.py::test_a_drain_waits_for_every_message_in_hand_and_starts_no_lane",),
    ),
    Mutation(
        "leaves without a last commit",
        "actors/consumer.py",
        "for each in going)\n        await self._committer.commit_surely()",
        "for each in going)",
        ("actors/test_drain.py::test_a_drain_finishes_what_is_in_hand_and_commits_exactly_that",),
    ),
    Mutation(
        "lets the timer of a parked message outlive its lease",
        "actors/partition.py",
        "                message.timer.cancel()\n",
        "",
        ("actors/test_partition.py::test_the_timer_of_a_message_that_waits_ends_with_its_lease",),
    ),
    Mutation(
        "begins a retry although all calls of its route are in use",
        "actors/pump.py",
        "            route.wait(message)\n            return False\n        worker",
        "            pass\n        worker",
        ("actors/test_order.py::test_a_retry_of_a_kind_waits_for_a_call_to_spare",),
    ),
    Mutation(
        "takes a refused commit for stored",
        "actors/committer.py",
        "            self._plan.sent(due, refused)\n",
        "            self._plan.sent(due, ())\n",
        ("actors/test_drain.py::test_a_commit_that_is_refused_during_a_drain_is_sent_again",),
    ),
    Mutation(
        "goes on with what it had in hand though another owner has handled it",
        "actors/poller.py",
        "if unhandled is None or unhandled.commit != commit:",
        "if unhandled is None:",
        ("actors/test_warm.py::test_what_was_in_hand_is_thrown_away_when_somebody_else_had_the_partition",),
    ),
    Mutation(
        "completes a message before its dead letter is acknowledged",
        "actors/endings.py",
        "            message.burying = True\n            self.due(message)\n",
        "            message.burying = True\n            self.due(message)\n"
        "            return self._leave(message, failed=True)\n",
        ("actors/test_endings.py::test_a_message_that_cannot_be_buried_is_parked_and_not_handled_again",),
    ),
    Mutation(
        "leaves a worker that was cancelled in the crew",
        "actors/crew.py",
        "            self._workers.remove(worker)\n",
        "",
        ("actors/test_crashes.py::test_a_worker_that_is_cancelled_while_it_rests_is_replaced",),
    ),
    Mutation(
        "forgets the message in hand when the pump is restarted",
        "actors/pump.py",
        "            message.partition.due.append(message)\n            self.ready(message.partition)\n",
        "",
        ("actors/test_crashes.py::test_a_message_in_hand_is_handled_again_by_the_pump_that_starts_anew",),
    ),
)
