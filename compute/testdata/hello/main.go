// Command hello is a guest of the compute tests: it shows its arguments, its
// environment, its stdin and its files, and exits with the code of CODE.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

func main() {
	fmt.Println("args", os.Args)
	fmt.Println("env", os.Environ())
	in, err := io.ReadAll(os.Stdin)
	check(err)
	fmt.Printf("stdin %q\n", in)
	data, err := os.ReadFile("dir/in.txt")
	check(err)
	fmt.Printf("file %q\n", data)
	list, err := os.ReadDir("/")
	check(err)
	for _, e := range list {
		fmt.Println("entry", e.Name(), e.IsDir())
	}
	start := time.Now()
	time.Sleep(time.Hour)
	fmt.Println("slept", time.Since(start) >= time.Hour, start.UTC().Year())
	check(os.WriteFile("out/copy.txt", data, 0o600))
	check(os.MkdirAll("/out/a/b", 0o700))
	check(os.WriteFile("/out/a/b/c", nil, 0o600))
	fmt.Fprintln(os.Stderr, "write to inputs:", os.WriteFile("/dir/in.txt", nil, 0o600))
	code, _ := strconv.Atoi(os.Getenv("CODE"))
	os.Exit(code)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
