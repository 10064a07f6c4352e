package keys_test

import (
	"fmt"

	"usher/tui/keys"
)

func Example() {
	m, err := keys.New(keys.Default()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	action, ok := m.Find(keys.Browser, "d")
	fmt.Println(action, ok)
	fmt.Println(m.Hints(keys.Browser, keys.Download, keys.Help))
	// Output:
	// download true
	// [[d download] [? help]]
}

// A key with two actions in one context is an error.
func ExampleNew() {
	_, err := keys.New(keys.Set{Context: "menu", Bindings: []keys.Binding{
		{Action: "copy", Keys: []string{"c"}},
		{Action: "close", Keys: []string{"c"}},
	}})
	fmt.Println(err)
	// Output: key "c" means both copy and close in menu
}
