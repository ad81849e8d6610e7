// Package bundle makes the browser's package of its TypeScript sources, with
// esbuild and without npm.
package bundle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Small makes a bundle as browsers get it: without names, spaces and comments.
const Small = true

// File gives one ES module with everything that the TypeScript file at path
// needs, except what comes from npm (@noble/…) and from Node (node:…), which it
// imports. The same sources give the same bytes.
func File(path string, small bool) ([]byte, error) {
	made := api.Build(api.BuildOptions{
		EntryPoints:       []string{path},
		Bundle:            true,
		Format:            api.FormatESModule,
		Platform:          api.PlatformNeutral,
		Target:            api.ES2022,
		External:          []string{"@noble/*", "node:*", "peersea"},
		MinifyWhitespace:  small,
		MinifyIdentifiers: small,
		MinifySyntax:      small,
		LegalComments:     api.LegalCommentsNone,
		LogLevel:          api.LogLevelSilent,
	})
	if len(made.Errors) > 0 {
		text := api.FormatMessages(made.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return nil, fmt.Errorf("bundle %s: %w", path, errors.New(strings.TrimSpace(strings.Join(text, ""))))
	}
	return made.OutputFiles[0].Contents, nil
}
