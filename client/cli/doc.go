// Package cli is usher's plain commands: ls, get, url, audit and the others, for
// a terminal, for scripts and for jobs. They use the client, the session and the
// download engine of the browser.
//
// Its guarantees:
//   - stdout has only the requested output; messages, progress and prompts are
//     written to stderr. With --json, stdout is one JSON object, or one a line,
//     with stable names.
//   - There is no prompt if stdin is not a terminal.
//   - Every failure is one sentence with the next step, with the request ID if
//     there is one, and a stable exit code (fail.go). With --json the failure is
//     one line on stderr: {"error":{"code","message","request_id"}}.
//   - Untrusted names and texts are escaped in the output, except with ls -0,
//     which is for programs.
//   - --debug shows calls and causes, but no token, no password and no signature
//     of a URL.
//
// The package decides nothing: the backend controls access. It builds no backend
// either; main provides it as Demo and Serve.
package cli
