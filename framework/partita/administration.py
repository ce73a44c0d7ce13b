"""What administers: the part of a bus that makes, lists and deletes what is at the broker."""

from collections.abc import Mapping

from partita.core.settings import check_topic_name
from partita.opened import Opened


class Administration(Opened):
    """Administers one broker."""

    async def create_topic(self, topic: str, *, partitions: int = 4, replication: int = 1) -> None:
        """
        Make a topic.

        Raises:
            SettingsError: the name or a number cannot be used.
            Exception: the client's own error, also when the topic exists.
        """
        self._check_open()
        check_topic_name(topic)
        await self._backend.create_topic(topic, partitions=partitions, replication=replication)

    async def list_topics(self) -> Mapping[str, int]:
        """Each topic's number of partitions, the broker's internal topics left out."""
        self._check_open()
        return await self._backend.list_topics()

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic and what is in it. Raises TopicMissing, or the client's own error."""
        self._check_open()
        await self._backend.delete_topic(topic)
