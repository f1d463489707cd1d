package load

import "fmt"

// row is one row of a file. Its bytes are good until the next one is read.
type row struct {
	// line is the physical line on which it begins, from 1.
	line int64
	// body is the record, one JSON object (as published, whatever it is).
	body []byte
	// refused says why it cannot be published; "" = it can.
	refused string
}

// rows gives the rows of a file in order.
type rows interface {
	// next returns the next row, or io.EOF. Any other error is about the whole file.
	next() (row, error)
}

// BrokenError says that a file's structure is lost from a line on: what follows cannot be told apart into rows.
type BrokenError struct {
	Name string
	Line int64
	What string
}

func (e *BrokenError) Error() string { return fmt.Sprintf("%s, line %d: %s", e.Name, e.Line, e.What) }
