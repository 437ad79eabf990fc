"""The script that Streamlit runs at each visit and interaction: the sidebar and the page at the address."""

import gc
import sys
from pathlib import Path

import streamlit as st

from dashboard.widgets import sidebar

HERE = Path(__file__).parent


@st.cache_resource(show_spinner=False)
def freeze_imports(modules: int) -> None:
    """Exclude the objects of all imports so far from garbage collection, once for each number of `modules`.

    Streamlit collects after every run of a script or fragment. With torch that visits half a million objects
    each time, and the server sends no message meanwhile.
    """
    gc.collect()
    gc.freeze()


st.set_page_config(
    page_title="gencore",
    page_icon=HERE / "icon.svg",  # a Material icon would be fetched from outside
    layout="wide",
    menu_items={"About": "Train, compare and measure VAE, GAN, cGAN and DDPM side by side."},
)
st.html(HERE / "style.css")
st.logo(HERE / "icon.svg", size="large")
pages = [  # without icons, so that all fit beside each other on a screen of 1280 pixels
    st.Page("views/home.py", title="Home", default=True),
    st.Page("views/live.py", title="Live"),
    st.Page("views/gallery.py", title="Gallery"),
    st.Page("views/latent.py", title="Latent"),
    st.Page("views/translate.py", title="Translate"),
    st.Page("views/diffusion.py", title="Diffusion"),
    st.Page("views/performance.py", title="Performance"),
    st.Page("views/studies.py", title="Studies"),
    st.Page("views/trust.py", title="Trust"),
    st.Page("views/quiz.py", title="Quiz"),
    st.Page("views/runs.py", title="Runs"),
]
st.session_state["pages"] = pages  # Home links to all of them
page = st.navigation(pages, position="top")
sidebar.show()
page.run()
freeze_imports(len(sys.modules))
