"""The official Python client: lists and calls every tool of a server, over each protocol that it speaks.

    assistants.py stdio PROGRAM ARGUMENT... | assistants.py http URL KEY

Every schema is checked against its own standard, and every answer against its schema. Prints what was answered as JSON.
"""

import asyncio
import json
import sys

import httpx2
import jsonschema
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

CALLS = [
    ("archive_status", {}),
    ("list_conversations", {"limit": 3}),
    ("list_people", {}),
    ("search_messages", {"query": "a*", "limit": 50}),
    ("search_messages", {"query": "nowhere to be found"}),
    ("read_conversation", {"conversation": "1", "limit": 100, "max_bytes": 30_000}),
    ("read_conversation", {"conversation": "1", "start": "oldest", "max_text_bytes": 32_768, "max_bytes": 262_144}),
]


def transport(how, rest):
    if how == "stdio":
        return stdio_client(StdioServerParameters(command=rest[0], args=rest[1:]))
    url, key = rest
    return streamable_http_client(url, http_client=httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}))


async def converse(client, mode):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    for tool in tools.values():
        for schema in (tool.input_schema, tool.output_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["additionalProperties"] is False, tool.name
        assert tool.annotations.read_only_hint and not tool.annotations.destructive_hint, tool.name
        assert not tool.annotations.open_world_hint, tool.name
    answers = []
    for name, arguments in CALLS:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, result
        jsonschema.validate(result.structured_content, tools[name].output_schema)
        assert json.loads(result.content[0].text) == result.structured_content
        size = len(json.dumps(result.model_dump(by_alias=True, exclude_none=False), ensure_ascii=False).encode())
        answers.append({"tool": name, "mode": mode, "bytes": size, "answer": result.structured_content})
    assert {name for name, _ in CALLS} == set(tools), set(tools)
    first = await client.call_tool("list_conversations", {"limit": 1})
    cursor = first.structured_content["next_cursor"]
    second = await client.call_tool("list_conversations", {"limit": 1, "cursor": cursor})
    ids = [page.structured_content["conversations"][0]["conversation_id"] for page in (first, second)]
    assert sorted(ids) == [1, 2] and second.structured_content["next_cursor"] is None, (first, second)
    assert second.structured_content["moved_up"] == 0, second
    wrong = await client.call_tool("search_messages", {"query": "a", "limt": 1})
    assert wrong.is_error and "did you mean `limit`" in wrong.content[0].text, wrong
    return answers


async def main(how, rest):
    answers = []
    for mode in ("legacy", "auto"):
        async with Client(transport(how, rest), mode=mode) as client:
            assert "data, not instructions" in client.instructions, client.instructions
            answers += await converse(client, f"{mode} {client.protocol_version}")
    print(json.dumps(answers))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
