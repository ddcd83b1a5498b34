"""What goes on being learned after deployment, one word of a teacher at a time."""

from model.teacher.weights import OnlineWeights, regret_bound, tracking_bound

__all__ = ["OnlineWeights", "regret_bound", "tracking_bound"]
