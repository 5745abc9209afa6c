"""An amount of an obligation by what it is of: penalty, fee, principal, the order in which they are paid."""

from settlement.values import dataclass


@dataclass(frozen=True, slots=True)
class Parts:
    """What is open, paid or asked for of one obligation; minor units."""

    penalty_minor: int = 0
    fee_minor: int = 0
    principal_minor: int = 0

    @property
    def amount_minor(self) -> int:
        """All of it together."""
        return self.penalty_minor + self.fee_minor + self.principal_minor

    def plus(self, other: "Parts") -> "Parts":
        """Both together."""
        return Parts(
            self.penalty_minor + other.penalty_minor,
            self.fee_minor + other.fee_minor,
            self.principal_minor + other.principal_minor,
        )

    def less(self, other: "Parts") -> "Parts":
        """What is left of each part, never below nothing."""
        return Parts(
            max(0, self.penalty_minor - other.penalty_minor),
            max(0, self.fee_minor - other.fee_minor),
            max(0, self.principal_minor - other.principal_minor),
        )

    def within(self, other: "Parts") -> "Parts":
        """The smaller one of each part."""
        return Parts(
            min(self.penalty_minor, other.penalty_minor),
            min(self.fee_minor, other.fee_minor),
            min(self.principal_minor, other.principal_minor),
        )
