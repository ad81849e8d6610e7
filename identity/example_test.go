package identity_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/peersea/sea/identity"
)

// A statement is made for one purpose, and is none for another.
func Example() {
	const greeting identity.Purpose = "example/greeting/1"
	key, err := identity.NewKey(context.Background(), identity.DefaultWork)
	if err != nil {
		fmt.Println(err)
		return
	}
	said, err := key.Sign(greeting, []byte("hello, sea"))
	if err != nil {
		fmt.Println(err)
		return
	}
	wire := said.Encode()

	heard, err := identity.DecodeStatement(wire)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := heard.Open(greeting)
	fmt.Printf("%s, %v, by its signer: %v\n", body, err, heard.By == key.Entity())
	_, err = heard.Open("example/order/1")
	fmt.Println(errors.Is(err, identity.ErrBadSignature))
	// Output:
	// hello, sea, <nil>, by its signer: true
	// true
}
