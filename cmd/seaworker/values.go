package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/peersea/sea/identity/cbor"
)

// bytesKey marks bytes in JSON: {"$bytes": "BASE64"}.
const bytesKey = "$bytes"

// fromJSON makes the CBOR of a JSON value; no JSON is no bytes.
func fromJSON(text json.RawMessage) ([]byte, error) {
	if len(text) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	v, err := plain(v)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(v)
}

// plain replaces JSON's numbers and marked bytes by CBOR's own.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			var err error
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if text, ok := v[bytesKey].(string); ok && len(v) == 1 {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", bytesKey, err)
			}
			return b, nil
		}
		for k := range v {
			var err error
			if v[k], err = plain(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// toJSON makes JSON of a CBOR value; no bytes are null.
func toJSON(b []byte) (json.RawMessage, error) {
	if len(b) == 0 {
		return json.RawMessage("null"), nil
	}
	var v any
	if err := cbor.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	v, err := shown(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// shown replaces what JSON cannot hold.
func shown(v any) (any, error) {
	switch v := v.(type) {
	case []byte:
		return map[string]any{bytesKey: base64.StdEncoding.EncodeToString(v)}, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("it holds a number that JSON cannot")
		}
	case []any:
		for i := range v {
			var err error
			if v[i], err = shown(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			var err error
			if v[k], err = shown(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
