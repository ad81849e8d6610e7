package addr_test

import (
	"testing"

	"github.com/peersea/sea/identity"
	"github.com/peersea/sea/node/addr"
)

func TestOfNode(t *testing.T) {
	// The key of RFC 8032 §7.1, test 1; the address by sha256sum.
	key, err := identity.ParseEntity("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := addr.OfNode(key).String(), "8716fda0db7baf6cc459b9fbe025e5d619864254e2e21f33eacbbc10"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
