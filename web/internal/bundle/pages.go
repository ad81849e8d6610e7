package bundle

// Pages gives the scripts of the pages, whose sources are at src, by the names
// under which they are committed. They are not small: each statement has its line,
// so that branches that change different ones merge as their sources do, and gzip
// takes most of the difference.
func Pages() (map[string][]byte, error) {
	all := map[string][]byte{}
	for name, source := range map[string]string{
		"dashboard/dashboard.js": "src/main.ts",
		"join/join.js":           "src/join.ts",
		"join/worker.js":         "../src/compute/worker.ts",
	} {
		script, err := File(source, !Small)
		if err != nil {
			return nil, err
		}
		all[name] = script
	}
	return all, nil
}
