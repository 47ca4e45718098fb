"""The decision model, and the policy that acts with it."""
