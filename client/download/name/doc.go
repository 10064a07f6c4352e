// Package name maps object keys to local file names and back.
//
// A key is hostile input. Local returns a relative path for any key, and KeyOf
// returns the key of such a path, so two keys never share a name. Most keys are
// unchanged.
//
//   - A forbidden byte becomes %XX. In every form these are control and invisible
//     characters and invalid UTF-8, which harm a terminal or a reader, and the
//     names "." and "..". The portable form, which every system accepts, adds
//     \ : * ? " < > |, unusual spaces, a dot or space at the end, a "~" at the
//     start, and the first letter of CON, NUL, COM1 and similar names.
//   - A "%" that could be read as an escape becomes %25.
//   - An empty segment becomes "%-".
//   - A segment over 240 bytes continues in a folder: "aaa%+/%+bbb".
//   - "%~" at the end marks a name whose plain form is already taken by a folder,
//     or by a file of the same name.
//
// The package is pure. It leaves the file system and the choice between two
// conflicting names to its callers.
package name
