"""Entry of the dashboard: `streamlit run dashboard/Home.py`."""

from pathlib import Path

import streamlit as st

from dashboard import sidebar

HERE = Path(__file__).parent

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
page = st.navigation(
    [
        st.Page("views/home.py", title="Home", icon=":material/grid_view:", default=True),
        st.Page("views/live.py", title="Live", icon=":material/show_chart:"),
    ],
    position="top",
)
sidebar.show()
page.run()
