package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// nobody is who programs run as that refuse to run as root.
const nobody = 65534

func fdatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }

// giveAway makes dir that user's, and lets it reach it.
func giveAway(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		return err
	}
	return os.Chown(dir, nobody, nobody)
}

func unprivileged(cmd *exec.Cmd) {
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}
