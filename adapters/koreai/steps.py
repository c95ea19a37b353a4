"""Kore.ai's calls, one step each: the request, what its answer means, and what a success looks like."""

from collections.abc import Callable, Sequence
from typing import Any

from adapters.koreai.codes import acknowledged, succeeded
from adapters.koreai.settings import Options
from adapters.koreai.wire import (
    AddedContacts,
    Change,
    ChangeAnswer,
    ContactPage,
    ContactsAnswer,
    ListAnswer,
    ListChange,
    ListObject,
    ListsAnswer,
    NewList,
    Record,
)
from gateway.contract import Json, NotSent, RemoteList, Reply, Request, Step, Unclear, json_reply

RemoteObject = dict[str, Any]
"""A list as the vendor shows it, made up for a preview."""


def create_list(new: NewList, options: Options) -> Step[ListObject]:
    """Make an empty list (3.1). Not repeatable: whether a name may exist twice is not documented."""

    def read(reply: Reply) -> ListObject:
        made = ListAnswer.model_validate(succeeded(reply)).data
        if made.name.strip().casefold() != new.name.casefold():
            raise Unclear(f"the vendor made a list of another name than {new.name}")
        return made

    body = new.model_dump()
    return Step(
        name="create",
        request=_on_lists(options, "POST", "/createContactList", body=body),
        read=read,
        success=lambda: _shown({"_id": "cl-preview", "totalRecordCount": 0, "status": "Ready", **body}),
    )


def add_contacts(name: str, records: list[Record], options: Options) -> Step[None]:
    """Queue contacts for the list of this name (3.3). An unknown name may be acknowledged and forgotten."""
    path = f"{options.add_prefix}/{options.stream_id}/campaign/contactList/addContacts"
    return Step(
        name="add_contacts",
        request=_request(options, "POST", path, body=AddedContacts(list_name=name, data=records).model_dump()),
        read=acknowledged,
        success=lambda: json_reply({"message": "Adding contacts to public list is in progress"}),
    )


def all_lists(options: Options, previewed: Sequence[RemoteObject] = ()) -> Step[tuple[ListObject, ...]]:
    """All lists of the application in one answer, console lists among them (3.4)."""
    return _lists(options, "lists", lambda lists: lists, previewed)


def the_list_to_fill(options: Options, remote: RemoteList) -> Step[ListObject]:
    """Our list as it is right before an add (7.7): listed, with a count, and alone in bearing its name; else `NotSent`.

    It is known by its id, so a list that was renamed in the console is filled under the name that it has now.
    """

    def ours(lists: tuple[ListObject, ...]) -> ListObject:
        found = next((one for one in lists if one.id == remote.id), None)
        if found is None:
            raise NotSent("the vendor does not list the contact list (yet); nothing was added")
        if found.count is None:
            raise NotSent("the vendor gives no count for the contact list, so an add could not be verified")
        if sum(one.name.casefold() == found.name.casefold() for one in lists) > 1:
            raise NotSent("another list has the same name, and contacts are added by name; nothing was added")
        return found

    previewed = [{"_id": remote.id, "name": remote.name, "totalRecordCount": remote.count or 0}]
    return _lists(options, "look_up", ours, previewed)


def list_details(options: Options, list_id: str, previewed: int = 0) -> Step[ListObject]:
    """One list by its id (3.5); `Unclear` when the answer is about another list or gives no count."""

    def read(reply: Reply) -> ListObject:
        found = ListAnswer.model_validate(succeeded(reply)).data
        if found.id != list_id or found.count is None:
            raise Unclear("the vendor's answer is not about this list, or gives no count")
        return found

    return Step(
        name="details",
        request=_on_lists(options, "GET", f"/{list_id}"),
        read=read,
        success=lambda: _shown({"_id": list_id, "name": "", "totalRecordCount": previewed, "status": "Ready"}),
        repeatable=True,
    )


def list_contacts(options: Options, list_id: str, paging: tuple[tuple[str, str], ...] = ()) -> Step[ContactPage]:
    """The first contacts of a list, or the page that `paging` asks for (3.6)."""
    empty = {"results": [], "skip": 0, "limit": 50, "hasMore": False, "totalPages": 0, "totalResults": 0}
    return Step(
        name="contacts",
        request=_on_lists(options, "GET", f"/{list_id}/getAllContacts", paging),
        read=lambda reply: ContactsAnswer.model_validate(succeeded(reply)).data,
        success=lambda: _shown(empty),
        repeatable=True,
    )


def change_list(options: Options, list_id: str, change: ListChange) -> Step[Change]:
    """Rename or describe a list (3.7). Repeatable: the same words twice are the same words."""

    def read(reply: Reply) -> Change:
        done = ChangeAnswer.model_validate(succeeded(reply)).data
        if done.id != list_id or done.body.name not in (None, change.name):
            raise Unclear("the vendor's answer is about another change than the one asked for")
        return done

    body = change.model_dump(exclude_none=True)
    return Step(
        name="rename",
        request=_on_lists(options, "PUT", f"/{list_id}", body=body),
        read=read,
        success=lambda: _shown({"contactListId": list_id, "body": body}),
        repeatable=True,
    )


def delete_list(options: Options, list_id: str) -> Step[None]:
    """Delete a list (3.8). The answer shows it as still active, so only a following look proves it."""

    def read(reply: Reply) -> None:
        succeeded(reply)

    return Step(
        name="delete",
        request=_on_lists(options, "DELETE", f"/{list_id}"),
        read=read,
        success=lambda: _shown({"_id": list_id, "isActive": True}),
    )


def _lists(
    options: Options,
    name: str,
    pick: Callable[[tuple[ListObject, ...]], Any],
    previewed: Sequence[RemoteObject],
) -> Step[Any]:
    return Step(
        name=name,
        request=_on_lists(options, "POST", "/getAllListDetails", (("type", "call"),), {}),
        read=lambda reply: pick(ListsAnswer.model_validate(succeeded(reply)).data),
        success=lambda: _shown(list(previewed)),
        repeatable=True,
    )


def _on_lists(
    options: Options,
    method: str,
    call: str,
    query: tuple[tuple[str, str], ...] = (),
    body: dict[str, Any] | None = None,
) -> Request:
    path = f"{options.lists_prefix}/{options.stream_id}/campaign/contactList{call}"
    return _request(options, method, path, query, body)


def _request(
    options: Options,
    method: str,
    path: str,
    query: tuple[tuple[str, str], ...] = (),
    body: dict[str, Any] | None = None,
) -> Request:
    """A request with the account in header and query: the vendor's pages name the one, the other, or both (7.4)."""
    return Request(
        method,
        path,
        query=(("accountId", options.account_id), *query),
        headers=(("iid", options.stream_id), ("accountId", options.account_id)),
        body=None if body is None else Json(body),
    )


def _shown(data: Any) -> Reply:
    return json_reply({"status": "success", "message": "", "data": data})
