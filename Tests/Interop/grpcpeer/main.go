// Command grpcpeer tests another gRPC implementation against grpc-go, from either side, over a unix socket. Messages
// are bytes without a schema, so that it needs no generated code.
//
//	grpcpeer server unix:PATH           offers the service test.Echo; prints "ready"; ends when its stdin does
//	grpcpeer client unix:PATH [CASE…]   runs cases against that service: all of them, or those named, in their order
//
// The client prints "ok CASE" for each case that passes. It exits with status 1, and the reason on standard error, at
// the first that does not. What the methods of test.Echo do is told in service.go, what the cases expect in cases.go.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "grpcpeer: %v\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) >= 2 && strings.HasPrefix(arguments[1], "unix:") {
		path := strings.TrimPrefix(arguments[1], "unix:")
		switch {
		case arguments[0] == "server" && len(arguments) == 2:
			return serve(path)
		case arguments[0] == "client":
			return runCases(path, arguments[2:])
		}
	}
	var names []string
	for _, c := range cases {
		names = append(names, c.name)
	}
	return fmt.Errorf("usage: grpcpeer server unix:PATH | grpcpeer client unix:PATH [CASE…]\ncases: %s",
		strings.Join(names, " "))
}
