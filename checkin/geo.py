"""How far apart two places on the Earth are."""

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Final

#: The mean radius of the Earth (IUGG).
EARTH_METRES: Final = 6_371_008.8
#: A phone that claims to know no better than this knows nothing.
WORST_ACCURACY_METRES: Final = 500.0


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a phone says it is: degrees (WGS 84), and the radius of 68 % confidence, metres."""

    latitude: float
    longitude: float
    accuracy: float = 0.0


def distance_metres(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> float:
    """The great-circle distance (haversine), good to half a percent, poles and date line too."""
    phi, other_phi = radians(latitude), radians(other_latitude)
    half_phi = (other_phi - phi) / 2
    half_lambda = radians(other_longitude - longitude) / 2
    chord = sin(half_phi) ** 2 + cos(phi) * cos(other_phi) * sin(half_lambda) ** 2
    return 2 * EARTH_METRES * asin(min(1.0, sqrt(chord)))


def is_inside(distance: float, *, radius: float, accuracy: float) -> bool:
    """Whether somebody seen `distance` metres away may be within `radius`.

    The doubt is theirs as long as the phone is not too unsure to say anything.
    """
    return accuracy <= WORST_ACCURACY_METRES and distance - accuracy <= radius
