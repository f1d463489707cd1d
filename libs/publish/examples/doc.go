// Package examples holds programs that publish, each a main of its own: publisher with package publish, plain with nothing but a NATS client. Its
// tests build and run them against a real server, and hold the publishing guide to their text.
package examples
