"""What is run, in which order: rivals take turns, and who begins changes with every repeat."""

from dataclasses import dataclass, replace

from Benchmarks.common.scenes import SCENES, Scene
from Benchmarks.common.workload import Workload
from Benchmarks.Serve.rivals import RIVALS

# The largest workload's share of the repeats: its runs take minutes.
BIG_SHARE = 0.5


@dataclass(frozen=True)
class Part:
    """A workload of the benchmark: what is played, by whom."""

    name: str
    title: str
    scene: Scene
    rivals: tuple[str, ...]
    # Passes by name; the same prompts where the workloads are equal.
    passes: tuple[tuple[str, Workload], ...]
    # Seconds that a run takes, for the first guess of how long all take.
    seconds: float
    # Requests at a time, unless told otherwise.
    concurrency: tuple[int, ...] = (1,)
    timed: bool = True
    # A recompute run is played first, and its outputs are what the others must give.
    compared: bool = True


@dataclass(frozen=True)
class Run:
    """One engine: a rival on a part."""

    part: str
    rival: str
    concurrency: int
    # From 0; -1 is the reference run, which is recompute's first repeat as well.
    repeat: int

    @property
    def label(self) -> str:
        """Its name in files and on the console."""
        repeat = "reference" if self.repeat < 0 else f"repeat {self.repeat + 1}"
        return f"{self.part}, {self.rival}, concurrency {self.concurrency}, {repeat}"


def _scene_passes(scene: Scene) -> tuple[tuple[str, Workload], ...]:
    return (("pass 0", scene.workload), ("pass 1", scene.workload))


# Other models, each beside its own recompute run.
MODELS = ("llama-f16", "llama-kv2", "qwen2", "mistral-sw")
# Nothing here is seen twice. Prompts are long and one token is generated, or the other way round.
_FRESH_PASSES = (
    ("prompts", Workload(1, 24, 1, 0, 768, 256, 1, seed=11)),
    ("decode", Workload(1, 8, 1, 0, 0, 64, 192, seed=12)),
)


def parts(quick: bool) -> dict[str, Part]:
    """All parts by name; shorter ones when `quick`."""
    llama, big, gemma2 = SCENES["llama"], SCENES["llama-big"], SCENES["gemma2"]
    if quick:
        llama, big, gemma2 = (
            replace(scene, workload=replace(scene.workload, conversations=6, turns=2))
            for scene in (llama, big, gemma2)
        )
    every = tuple(RIVALS)
    groups = ("offloading", "kvbm-host")
    fresh = ("quarter", "offloading", "kvbm-host")
    passes = {scene.model: _scene_passes(scene) for scene in (llama, big, gemma2)}
    every_part = (
        Part("A", "a tiny Llama", llama, every, passes["llama"], 22, (1,) if quick else (1, 4)),
        Part("B", "a larger Llama", big, every, passes["llama-big"], 40 if quick else 80),
        Part("groups", "two cache groups (Gemma 2)", gemma2, groups, passes["gemma2"], 22),
        Part(
            *("fresh", "nothing to reuse", llama, fresh, _FRESH_PASSES, 25, (4,)),
            timed=False,
            compared=False,
        ),
        *(
            Part(name, name, SCENES[name], ("kvbm-host",), _scene_passes(SCENES[name]), 20)
            for name in MODELS
        ),
    )
    return {part.name: part for part in every_part}


def runs(
    chosen: list[Part], rivals: set[str], concurrency: list[int] | None, repeats: int
) -> list[Run]:
    """All runs in order: references first, then repeat by repeat through every part.

    `concurrency` is instead of what `A` and `B` are played with; the others depend on theirs.
    """
    order = [
        Run(part.name, "recompute", _concurrency(part, concurrency)[0], -1)
        for part in chosen
        if part.compared
    ]
    for repeat in range(repeats):
        for part in chosen:
            if part.name == "B" and repeat >= max(1, round(repeats * BIG_SHARE)):
                continue
            for at_a_time in _concurrency(part, concurrency):
                taking_part = [name for name in part.rivals if name in rivals]
                turn = repeat % max(1, len(taking_part))
                order += [
                    Run(part.name, name, at_a_time, repeat)
                    for name in taking_part[turn:] + taking_part[:turn]
                ]
    references = {(run.part, run.rival, run.concurrency) for run in order if run.repeat < 0}
    return [
        run
        for run in order
        if run.repeat != 0 or (run.part, run.rival, run.concurrency) not in references
    ]


def _concurrency(part: Part, wanted: list[int] | None) -> list[int]:
    return wanted if wanted and part.name in ("A", "B") else list(part.concurrency)


def remaining_seconds(
    todo: list[Run], done: list[tuple[Run, float]], guesses: dict[str, float]
) -> float:
    """How long `todo` will take, by how long runs of the same part took so far."""
    spent: dict[str, list[float]] = {}
    for run, seconds in done:
        spent.setdefault(run.part, []).append(seconds)
    # Parts of which nothing was seen yet take as much longer than guessed as the others did.
    ratios = [s / guesses[part] for part, all_of in spent.items() for s in all_of]
    pace = sum(ratios) / len(ratios) if ratios else 1.0
    each = {part: sum(s) / len(s) for part, s in spent.items()}
    return sum(each.get(run.part, guesses[run.part] * pace) for run in todo)
