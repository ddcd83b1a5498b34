"""Pictures that were computed before, as many as fit, and what is answered about them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from model.experts.signals import Signals
from service.judging import Answer
from service.pictures import Embedded, Examines, Wish, questions_of
from service.store.together import Together

_Asked = Sequence[tuple[Embedded, Wish]]


class Seen:
    """Remembers pictures by name, the latest used longest. The event loop owns it.

    Args:
        most: how many; 0 remembers none.
        submit: hands work to a thread: asking the experts is no work for the event loop.
    """

    def __init__(
        self, experts: Examines, most: int, submit: Callable[[Callable[[], None]], object]
    ) -> None:
        self._experts = experts
        self._most = most
        self._kept: OrderedDict[str, Embedded] = OrderedDict()
        # Requests that come together are answered together.
        self._asking: Together[_Asked, list[Answer | None]] = Together(submit, self._ask)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def of(self, names: Iterable[str]) -> dict[str, Embedded]:
        """Those that are here."""
        return {name: self._kept[name] for name in names if name in self._kept}

    def remember(self, known: Embedded) -> None:
        """Have it answer whoever brings this picture, as far as it is enough; in the place of what
        was known of the picture."""
        if self._most:
            self._kept[known.sha256] = known
            self._kept.move_to_end(known.sha256)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def use(self, names: Iterable[str]) -> None:
        """They were asked for: they are forgotten last."""
        for name in names:
            if name in self._kept:
                self._kept.move_to_end(name)

    async def that_serve(
        self, known: Mapping[str, Embedded], asked: Mapping[str, Sequence[Wish | None]]
    ) -> dict[str, Embedded]:
        """Those of which all is known that is wished to be known, with the answers."""
        new = [
            (one, wish)
            for name, one in known.items()
            for wish in asked[name]
            if wish is not None and not one.serves(wish)
        ]
        if new:
            for (one, wish), answer in zip(new, await self._asking.call(new), strict=True):
                if answer is not None:
                    one.answered(wish, answer)
        return {name: one for name, one in known.items() if all(map(one.serves, asked[name]))}

    def _ask(self, calls: Sequence[_Asked]) -> list[list[Answer | None]]:
        told = [each for call in calls for each in call]
        signals = Signals.concatenated([one.signals for one, _ in told])
        wishes = [(row, wish) for row, (_, wish) in enumerate(told)]
        answers = iter(self._experts.answers(signals, *questions_of(wishes)))
        return [[next(answers) for _ in call] for call in calls]
