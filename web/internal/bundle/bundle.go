// Package bundle makes the browser's package of its TypeScript sources, with
// esbuild and without npm.
package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Small makes a bundle as browsers get it: without names, spaces and comments.
const Small = true

// File gives one ES module with everything that the TypeScript file at path
// needs, except what comes from npm (@noble/…) and from Node (node:…), which it
// imports. The same sources give the same bytes.
func File(path string, small bool) ([]byte, error) {
	made, err := build(small, api.BuildOptions{EntryPoints: []string{path}})
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", path, err)
	}
	return made[0].Contents, nil
}

// Package gives the modules of the package, whose sources are at path, by their
// names. They lie in one folder: peersea.js and sell.js, which users import and which
// name what is public; core.js, which has all of a peer; shop.js, which is loaded when
// the first job is bought; and market.js, which that and sell.js need.
func Package(path string) (map[string][]byte, error) {
	made, err := build(Small, api.BuildOptions{
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: filepath.Join(path, "index.ts"), OutputPath: "peersea"},
			{InputPath: filepath.Join(path, "sell.ts"), OutputPath: "sell"},
		},
		Splitting:  true,
		ChunkNames: "[name]-[hash]",
		Outdir:     "dist",
	})
	if err != nil {
		return nil, fmt.Errorf("bundle the package: %w", err)
	}
	all := map[string][]byte{}
	for _, f := range made {
		all[filepath.Base(f.Path)] = f.Contents
	}
	return named(all)
}

// chunk is how a module is named that is no entry: by what is in it.
var chunk = regexp.MustCompile(`(?:chunk|shop)-[0-9A-Z]{8}\.js`)

// named gives modules names that stay when their content changes.
func named(made map[string][]byte) (map[string][]byte, error) {
	names := map[string]string{string(chunk.Find(made["peersea.js"])): "core.js"}
	for name := range made {
		switch {
		case names[name] != "" || !chunk.MatchString(name):
		case strings.HasPrefix(name, "shop-"):
			names[name] = "shop.js"
		default:
			names[name] = "market.js"
		}
	}
	all := map[string][]byte{}
	for name, module := range made {
		all[cmp.Or(names[name], name)] = chunk.ReplaceAllFunc(module, func(name []byte) []byte { return []byte(names[string(name)]) })
	}
	if len(all) != 5 || len(made) != 5 {
		return nil, fmt.Errorf("the package has the modules %v", slices.Sorted(maps.Keys(made)))
	}
	return all, nil
}

func build(small bool, o api.BuildOptions) ([]api.OutputFile, error) {
	o.Bundle = true
	o.Format, o.Platform, o.Target = api.FormatESModule, api.PlatformNeutral, api.ES2022
	o.External = []string{"@noble/*", "node:*", "peersea"}
	o.MinifyWhitespace, o.MinifyIdentifiers, o.MinifySyntax = small, small, small
	o.LegalComments, o.LogLevel = api.LegalCommentsNone, api.LogLevelSilent
	made := api.Build(o)
	if len(made.Errors) > 0 {
		text := api.FormatMessages(made.Errors, api.FormatMessagesOptions{Kind: api.ErrorMessage})
		return nil, errors.New(strings.TrimSpace(strings.Join(text, "")))
	}
	return made.OutputFiles, nil
}
