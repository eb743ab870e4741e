"""The estate, as a Kubecost server tells it."""
