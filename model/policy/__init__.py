"""Which expert to ask next, or stop and answer (``model.policy.mdp`` has states and rewards)."""
