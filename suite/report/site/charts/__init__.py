"""Interactive charts as Vega-Lite specifications, built with Altair."""
