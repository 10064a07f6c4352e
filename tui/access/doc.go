// Package access is the page of admins and auditors about grants: the readers of a path, the
// explanation of a person's access to a file, the paths of a person, the active
// grants, and for admins the open requests for access with their answers.
//
// Every query is an event in the audit log, so each follows a key press: nothing
// polls, and nothing is fetched in advance. Details that a response already has (the
// grants by which a person reaches a folder) need no query. A query that failed
// without a response or for an ended sign-in is sent once more afterwards.
//
// The page is a stack of views: esc closes one view, and the last one closes the
// page. A response has the address of its query, and a response to a canceled query
// is dropped. The command that fetches a response converts it to safe text. Methods
// do no I/O and read no clock.
//
// The page makes no access decision: the server responds to members of the admins'
// group only. For all others nothing is found.
package access
