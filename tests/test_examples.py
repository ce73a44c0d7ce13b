"""Every example runs alone and prints what its reader is told to expect."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
OUTPUT = {
    "custom_partitioner": [
        "customer eu/7: partition 0",
        "customer eu/8: partition 0",
        "customer jp/3: partition 2",
        "customer us/1: partition 1",
    ],
    "batch_insert": [
        "partition 1: 100 messages, 99 rows",
        "partition 0: 100 messages, 100 rows",
        "partition 1: 25 messages, 25 rows",
        "partition 0: 25 messages, 25 rows",
        "249 rows, total 31118",
        "handled 249, failed 1",
    ],
    "backlog_alert": [
        "billing is behind; more workers help: yes",
        "billing has caught up",
        "handled 1000, left 0, at most 50 at once",
    ],
    "hello": ["hello world, from greetings at offset 0", "handled 1, failed 0"],
    "kinds": ["booked +12.50 at bills/0@0", "booked -3.00 at bills/0@1", "handled 4, failed 0"],
    "supervised_actor": [
        "the thermometer is connected",
        "21 degrees",
        "22 degrees",
        "the thermometer is connected",
        "23 degrees",
        "called 2 times; healthy: False (ValueError: unplugged)",
        "running: False",
    ],
    "test_your_handlers": [
        "crashes, expulsions, lost commits: True",
        "books kept by number: right in all 20 worlds",
        "books kept as a list: wrong in some of them",
    ],
    "typed_payloads": [
        "order 7: 11.9000",
        "orders/0@1: the payload is no Order: number is not a whole number",
        "orders/0@2: the payload is no Order: number is missing",
        "handled 2, failed 2",
    ],
    "embed_in_your_app": [
        *(f"shipping order {number} for customer 7" for number in range(5)),
        "the last order is orders/0@4",
        "healthy: True",
    ],
    "publish_batch": [
        "parcel 2: 'parcels' has partitions 0 to 1, not 7",
        "parcels [0, 1, 3, 4] are stored",
        "1000 more, all acknowledged",
        "sent without waiting: stored in partition 0",
        "log: a message was not acknowledged: SettingsError: 'parcels' has partitions 0 to 1, not 9",
        "flush: 'parcels' has partitions 0 to 1, not 9",
    ],
    "ordered_by_key": [
        "ada: payment failed; her parcel waits for the next attempt, bob and cem do not",
        *(f"{name}: cart, address, payment, parcel" for name in ("bob", "cem", "ada")),
        "handled 12, failed 0, 3 at once",
    ],
    "retry_and_dead_letter": [
        "chair: charged 40 at attempt 1",
        "table: the bank is away",
        "table: charged 120 at attempt 2",
        "handled 2, failed 1",
        "dead letter of orders/0@2 in charge: KeyError b'lamp' after 1 attempt",
        "replayed 1",
        "lamp: charged 15 at attempt 1",
        "handled 1, failed 0",
    ],
}


@pytest.mark.parametrize("example", sorted(OUTPUT))
def test_an_example_prints_what_it_promises(example: str) -> None:
    """The whole output, line by line, and nothing on standard error."""
    command = [sys.executable, f"examples/{example}.py"]

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    assert (0, "") == (done.returncode, done.stderr)
    assert OUTPUT[example] == done.stdout.splitlines()


def test_the_partitioner_is_kafkas_own_on_kafka(kafka: str) -> None:
    """The same function as an option of the client, with the same outcome."""
    command = [sys.executable, "examples/custom_partitioner.py"]
    environ = {**os.environ, "PARTITA_BUS": f"kafka://{kafka}"}

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environ)

    assert (0, "") == (done.returncode, done.stderr)
    assert OUTPUT["custom_partitioner"] == done.stdout.splitlines()


def test_every_example_is_short_and_has_its_output_checked() -> None:
    """At most 60 lines each; those that `worker` runs have tests of their own below."""
    assert {each.stem for each in EXAMPLES} == {*OUTPUT, "wordcount", "use_all_cores"}
    assert [each.name for each in EXAMPLES if len(each.read_text().splitlines()) > 60] == []


def test_wordcount_counts_what_the_file_holds() -> None:
    """The ten most frequent words with their counts are those of a Counter over the file."""
    words = Counter(re.findall(r"[a-z0-9']+", (ROOT / "README.md").read_text().lower()))
    expected = sorted(words.items(), key=lambda each: (-each[1], each[0]))[:10]
    command = [sys.executable, "-m", "partita_worker", "run", "examples.wordcount:router"]

    done = subprocess.run(
        [*command, "--feed", "lines=README.md", "--burst"], capture_output=True, text=True, cwd=ROOT
    )

    printed = [line.split() for line in done.stdout.splitlines() if re.fullmatch(r" +\d+  \S+", line)]
    assert done.returncode == 0, done.stderr
    assert [(word, str(count)) for word, count in expected] == [(word, n) for n, word in printed]
    lines = len((ROOT / "README.md").read_bytes().splitlines())
    assert f"handled {lines}, failed 0" in done.stdout


def test_use_all_cores_hashes_each_line_in_another_process() -> None:
    """The hashes are those of the lines, and every one of them was published and kept."""
    lines = (ROOT / "README.md").read_bytes().splitlines()
    hashes = {hashlib.pbkdf2_hmac("sha256", line, b"salt", 5_000).hex() for line in lines}
    command = [sys.executable, "-m", "partita_worker", "run", "examples.use_all_cores:router"]

    done = subprocess.run(
        [*command, "--feed", "passwords=README.md", "--burst"], capture_output=True, text=True, cwd=ROOT
    )

    assert done.returncode == 0, done.stderr
    assert f"{len(hashes)} different hashes, the least begins with {min(hashes)[:8]}" in done.stdout
    assert f"handled {2 * len(lines)}, failed 0" in done.stdout
