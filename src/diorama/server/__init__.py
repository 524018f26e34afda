"""The web app: the HTTP API, the page and the server that runs them.

app        `create_app`                      serving    `serve`: address, socket, orderly end
routes     the HTTP API                      schemas    its answers
events     a job's changes, as they happen   pages      the page and its static files
limits     uploads, counted as they stream   header     what a picture's first bytes say
security   hosts, origins, headers           problems   errors as RFC 9457 documents
web        one process of the server         several    several on one socket
fetching   better weights, in the background  examples  photos to try
"""

from diorama.server.app import create_app
from diorama.server.serving import serve

__all__ = ["create_app", "serve"]
