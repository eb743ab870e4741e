"""Whether the view emr_costs_focus conforms to FOCUS, as FOCUS's own validator sees it."""
