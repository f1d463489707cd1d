package local

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// logLimit is the size above which the server's log is put aside at a start.
const logLimit = 16 << 20

// openLog opens the server's log for appending and says where this run's part begins.
func (su setup) openLog() (*os.File, int64, error) {
	if info, err := os.Stat(su.logPath); err == nil && info.Size() > logLimit {
		if err := os.Rename(su.logPath, su.logPath+".1"); err != nil {
			return nil, 0, fmt.Errorf("put PostgreSQL's log aside: %w", err)
		}
	}
	f, err := os.OpenFile(su.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	return f, info.Size(), nil
}

// logTail reads what the server said since start, a few kilobytes at most.
func logTail(path string, start int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(start, io.SeekStart); err != nil {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(f, 8<<10))
	return said
}

// oneLine joins what the server said into one line of an error.
func oneLine(said []byte) string {
	if len(bytes.TrimSpace(said)) == 0 {
		return "it said nothing"
	}
	return string(bytes.ReplaceAll(bytes.TrimSpace(said), []byte("\n"), []byte(" · ")))
}
