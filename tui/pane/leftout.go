package pane

import "usher/client/quantity"

// LeftOut is the clause about n names of a listing that no request can contain. See
// api.ListResponse.
func LeftOut(n int) string {
	return quantity.Plural(n, "name is not a valid object key and is", "names are not valid object keys and are") + " left out"
}
