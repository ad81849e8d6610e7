package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known-peers")
	var k known
	if err := k.load(path); err != nil {
		t.Fatalf("no file: %v", err)
	}
	if err := k.save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file of nothing")
	}
	for _, bad := range []string{"", "ws://", "://x", "host:1", "ws://a b", "ws://a\nown ws://b", "ws://é", "ws://" + strings.Repeat("x", maxKnownURL)} {
		k.add(knownURL{URL: bad, Own: true})
	}
	k.add(knownURL{URL: "ws://a:1", Own: true})
	k.add(knownURL{URL: "ws://b:1"})
	k.add(knownURL{URL: "ws://a:1"}) // met again: it stays the operator's
	want := []knownURL{{URL: "ws://a:1", Own: true}, {URL: "ws://b:1"}}
	if !reflect.DeepEqual(k.list, want) {
		t.Errorf("known are %+v, want %+v", k.list, want)
	}
	if err := k.save(path); err != nil {
		t.Fatal(err)
	}
	var again known
	if err := again.load(path); err != nil || !reflect.DeepEqual(again.list, want) {
		t.Errorf("read back: %+v, %v", again.list, err)
	}
	for i := range maxKnown + 5 {
		again.add(knownURL{URL: fmt.Sprintf("wss://%d.example:4160/", i)})
	}
	if len(again.list) != maxKnown || again.list[0].URL != "wss://5.example:4160/" || len(again.some(3)) != 3 || len(k.some(3)) != 2 {
		t.Errorf("%d are kept, the oldest %s", len(again.list), again.list[0].URL)
	}
	if err := again.save(path); err != nil {
		t.Fatal(err)
	}

	// What a damaged file still has.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte("met \nelse ws://x:1\nmet ws://y:1 z\n\x00\n"), b[:len(b)-10]...)
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	var rest known
	if err := rest.load(path); err != nil || len(rest.list) != maxKnown || rest.list[0] != again.list[0] {
		t.Errorf("%d of a damaged file, %v", len(rest.list), err)
	}
}

// FuzzKnown: whatever stands in the file, what is taken of it is bounded and is written
// back as it was read.
func FuzzKnown(f *testing.F) {
	f.Add([]byte("own ws://a:1\nmet sea://192.0.2.7:4160/#aa\n"))
	f.Add([]byte("own \nmet x\n\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := decodeKnown(b)
		again := decodeKnown(encodeKnown(list))
		if len(list) > maxKnown || len(list) > 0 && !reflect.DeepEqual(list, again) || len(encodeKnown(list)) > maxKnownLen {
			t.Errorf("%+v, then %+v", list, again)
		}
	})
}
