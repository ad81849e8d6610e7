package identity

import (
	"context"
	"crypto/ed25519"
	"testing"
)

func BenchmarkNewKeyTry(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewKey(context.Background(), 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	body := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Sign("sea/bench/1", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	s, _ := k.Sign("sea/bench/1", make([]byte, 200))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Open("sea/bench/1"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenStandardLibrary(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	s, _ := k.Sign("sea/bench/1", make([]byte, 200))
	in := Purpose("sea/bench/1").input(s.Body)
	b.ReportAllocs()
	for b.Loop() {
		if !ed25519.Verify(s.By[:], in, s.Sig[:]) {
			b.Fatal("not verified")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	s, _ := k.Sign("sea/bench/1", make([]byte, 200))
	b.ReportAllocs()
	for b.Loop() {
		s.Encode()
	}
}

func BenchmarkDecodeStatement(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	s, _ := k.Sign("sea/bench/1", make([]byte, 200))
	wire := s.Encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeStatement(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckEntity(b *testing.B) {
	k, _ := NewKey(context.Background(), 0)
	b.ReportAllocs()
	for b.Loop() {
		if err := k.entity.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
