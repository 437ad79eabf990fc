"""What the components of our own share: the look of their buttons, and how they keep the address."""

BUTTON = """
button {
  padding: 0.25rem 0.75rem; font: inherit; font-size: 0.875rem; cursor: pointer;
  color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); outline-color: var(--st-primary-color); }
"""
"""CSS; the margin is the component's."""

ADDRESS = """
// From here, for a change from Python would draw the whole page anew; and at every call, for Streamlit, which does not
// hear of it, writes the address as it was when it draws the page for another reason.
const keepInAddress = places => {
  const address = new URL(location);
  for (const name in places) places[name] ? address.searchParams.set(name, places[name]) : address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
};
"""
"""JavaScript: numbers by their names in the address, where 0 is left out."""
