"""Entry of the dashboard: `streamlit run dashboard/Home.py` serves `app.py`.

Streamlit itself checks `server.allowedHosts` only when a WebSocket opens. The middleware checks the same
list on every route, so another site cannot read anything through a host name of its own (DNS rebinding).
"""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from streamlit import config
from streamlit.starlette import App

from dashboard.components.in_page.routes import ROUTES

app = App(
    Path(__file__).with_name("app.py"),
    routes=ROUTES,
    middleware=[
        Middleware(
            TrustedHostMiddleware,
            allowed_hosts=config.get_option("server.allowedHosts") or ["*"],
            www_redirect=False,
        )
    ],
)
