"""How much data there is: the shapes that figures are quoted at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of the data. `weeks` is how far appointments reach to either side of today."""

    name: str
    clinics: int
    doctors: int
    patients: int
    appointments: int
    receptionists: int
    accounts: int  # patients who sign in
    weeks: int = 6

    @property
    def patients_each(self) -> int:
        """Charts in one clinic."""
        return self.patients // self.clinics


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 2, 20, 2_000, 10_000, receptionists=4, accounts=40),
        Shape("S", 20, 500, 100_000, 500_000, receptionists=200, accounts=600),
        Shape("M", 400, 10_000, 400_000, 2_000_000, receptionists=2_000, accounts=2_000, weeks=3),
        Shape("L", 100, 10_000, 1_000_000, 10_000_000, receptionists=1_000, accounts=2_000),
    )
}

#: Working hours are two shifts a weekday, each of SHIFT_PAIRS times 40 minutes, on a grid of 20.
SHIFT_PAIRS = 6
#: The share of 40-minute pairs that one long visit fills.
LONG_SHARE = 0.12


def fill_share(shape: Shape) -> float:
    """Which share of the 20-minute cells not under a long visit to fill.

    A little more than needed is drawn, and the surplus left out. Raises ValueError for a shape
    whose appointments do not fit into its doctors' hours.
    """
    pairs = shape.doctors * shape.weeks * 2 * 5 * 2 * SHIFT_PAIRS
    share = (shape.appointments * 1.02 - pairs * LONG_SHARE) / (pairs * (1 - LONG_SHARE) * 2)
    if not 0 < share < 0.95:
        raise ValueError(f"shape {shape.name} would fill {share:.0%} of its cells")
    return share
