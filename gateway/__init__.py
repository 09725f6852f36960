"""The payment gateway over httpx: the only place that talks to I'mport (PortOne V1)."""
