"""Paging of the official Okta SDK for Python by the links that it overlooks itself."""

from okta.pagination import PaginationHelper


class Links:
    """The link headers of the last answer. Okta sends a line for each link; the SDK keeps only one of several lines."""

    def __init__(self, client):
        self.lines = []
        self.execute = client.get_request_executor().execute
        client.get_request_executor().execute = self.observe

    async def observe(self, *arguments):
        response, body, error = await self.execute(*arguments)
        self.lines = response.headers.getall("link", []) if response else []
        return response, body, error

    def next_cursor(self):
        """As the SDK itself reads them."""
        return PaginationHelper.extract_next_cursor({"link": ", ".join(self.lines)})
