"""Entry of the dashboard: `streamlit run dashboard/Home.py`."""

import gc
import sys
from pathlib import Path

import streamlit as st

from dashboard import sidebar

HERE = Path(__file__).parent


@st.cache_resource(show_spinner=False)
def settle(modules: int) -> None:
    """Spare what `modules` imports brought the garbage collection that Streamlit makes after every run of a script or
    fragment: with torch it looks through half a million objects each time, and no message leaves the server meanwhile."""
    gc.collect()
    gc.freeze()


st.set_page_config(
    page_title="gencore",
    page_icon=HERE / "icon.svg",  # a Material icon would be fetched from outside
    layout="wide",
    menu_items={
        "About": "VAE, GAN, cGAN and DDPM side by side: train them, watch them learn, measure them honestly."
    },
)
st.html(HERE / "style.css")
st.logo(HERE / "icon.svg", size="large")
pages = [
    st.Page("views/home.py", title="Home", icon=":material/grid_view:", default=True),
    st.Page("views/live.py", title="Live", icon=":material/show_chart:"),
    st.Page("views/gallery.py", title="Gallery", icon=":material/photo_library:"),
    st.Page("views/latent.py", title="Latent", icon=":material/explore:"),
    st.Page("views/performance.py", title="Performance", icon=":material/leaderboard:"),
    st.Page("views/diffusion.py", title="Diffusion", icon=":material/blur_on:"),
    st.Page("views/quiz.py", title="Quiz", icon=":material/quiz:"),
    st.Page("views/trust.py", title="Trust", icon=":material/verified:"),
    st.Page("views/runs.py", title="Runs", icon=":material/view_list:"),
]
st.session_state["pages"] = pages  # for Home, which links to all of them
page = st.navigation(pages, position="top")
sidebar.show()
page.run()
settle(len(sys.modules))
