package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// cases are the tests of a server, each with a connection of its own.
var cases = []struct {
	name string
	test func(ctx context.Context, p *peer, path string) error
}{
	{"unary", testUnary},
	{"metadata", testMetadata},
	{"server-stream", testServerStream},
	{"client-stream", testClientStream},
	{"bidi", testBidi},
	{"fail", testFail},
	{"deadline", testDeadline},
	{"cancel", testCancel},
	{"disconnect", testDisconnect},
	{"backpressure", testBackpressure},
	{"concurrency", testConcurrency},
	{"unimplemented", testUnimplemented},
	{"max-message", testMaxMessage},
}

func runCases(path string, names []string) error {
	known := map[string]int{}
	for index, c := range cases {
		known[c.name] = index
	}
	if len(names) == 0 {
		for _, c := range cases {
			names = append(names, c.name)
		}
	}
	for _, name := range names {
		index, ok := known[name]
		if !ok {
			return fmt.Errorf("there is no case %q", name)
		}
		if err := runCase(path, index); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println("ok", name)
	}
	return nil
}

func runCase(path string, index int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p, err := connect(ctx, path)
	if err != nil {
		return err
	}
	defer p.Close()
	return cases[index].test(ctx, p, path)
}

// testUnary: messages come back as they were, the empty one and those beyond 4 MiB among them.
func testUnary(ctx context.Context, p *peer, _ string) error {
	for _, size := range []int{0, 1, 1 << 20, 20 << 20} {
		if err := echoOf(ctx, p, size); err != nil {
			return err
		}
	}
	return nil
}

// testMaxMessage: 100 MiB go up and come down.
func testMaxMessage(ctx context.Context, p *peer, _ string) error {
	return echoOf(ctx, p, 100<<20)
}

func echoOf(ctx context.Context, p *peer, size int) error {
	request := make([]byte, size)
	for index := range request {
		request[index] = byte(index * 7 >> 3)
	}
	answer, err := p.call(ctx, "Unary", request)
	if err != nil {
		return fmt.Errorf("a message of %d bytes: %w", size, err)
	}
	if !bytes.Equal(answer, request) {
		return fmt.Errorf("a message of %d bytes came back as %d bytes that differ", size, len(answer))
	}
	return nil
}

// testMetadata: values of either kind come back, several of one key in their order, binary ones of each length modulo
// three (their base64 differs in padding).
func testMetadata(ctx context.Context, p *peer, _ string) error {
	everyByte := make([]byte, 256)
	for index := range everyByte {
		everyByte[index] = byte(index)
	}
	initial := metadata.MD{
		"echo-one":     {"a value with spaces, commas; and =signs"},
		"echo-several": {"first", "second", "first"},
		"echo-bin":     {"\x00", "\xff\x10", "\x00\xff\x10", string(everyByte)},
	}
	trailing := metadata.MD{
		"echo-trailing-one":     {"x"},
		"echo-trailing-several": {"1", "2", "3"},
		"echo-trailing-bin":     {string(everyByte), "\x00"},
	}
	ctx = metadata.NewOutgoingContext(ctx, metadata.Join(initial, trailing, metadata.Pairs("other", "not echoed")))
	var gotInitial, gotTrailing metadata.MD
	if _, err := p.call(ctx, "Unary", nil, grpc.Header(&gotInitial), grpc.Trailer(&gotTrailing)); err != nil {
		return err
	}
	if err := expectMetadata("initial", gotInitial, initial); err != nil {
		return err
	}
	return expectMetadata("trailing", gotTrailing, trailing)
}

// expectMetadata compares the values of keys echo-…: other keys belong to the implementation.
func expectMetadata(kind string, got, expected metadata.MD) error {
	echoed := metadata.MD{}
	for key, values := range got {
		if strings.HasPrefix(key, "echo-") {
			echoed[key] = values
		}
	}
	if !reflect.DeepEqual(echoed, expected) {
		return fmt.Errorf("%s metadata: expected %q, got %q", kind, expected, got)
	}
	return nil
}

// testServerStream: all messages arrive, in their order, then the end; of an empty stream only the end.
func testServerStream(ctx context.Context, p *peer, _ string) error {
	for _, shape := range []struct{ count, size int }{{0, 8}, {1, 8}, {10000, 100}, {20, 1 << 20}} {
		stream, err := p.openServerStream(ctx, shape.count, shape.size)
		if err != nil {
			return err
		}
		if err := readInOrder(stream, 0, shape.count, shape.size); err != nil {
			return fmt.Errorf("%d messages of %d bytes: %w", shape.count, shape.size, err)
		}
	}
	return nil
}

// readInOrder reads messages of ServerStream from index first on, to the end of the stream.
func readInOrder(stream grpc.ClientStream, first, count, size int) error {
	for index := first; index < count; index++ {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return fmt.Errorf("instead of message %d: %w", index, err)
		}
		if len(message) != size || binary.BigEndian.Uint64(message) != uint64(index) {
			return fmt.Errorf("message %d: got %d bytes that begin %x", index, len(message), message[:min(len(message), 8)])
		}
	}
	var extra []byte
	if err := stream.RecvMsg(&extra); err != io.EOF {
		return fmt.Errorf("after %d messages: expected the end, got %d bytes, %v", count, len(extra), err)
	}
	return nil
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

// testClientStream: the server receives all messages and answers when the client has ended; also if it sent none.
func testClientStream(ctx context.Context, p *peer, _ string) error {
	for _, shape := range []struct{ count, size int }{{0, 0}, {1, 0}, {10000, 100}, {20, 1 << 20}} {
		stream, err := p.open(ctx, "ClientStream")
		if err != nil {
			return err
		}
		message := make([]byte, shape.size)
		for index := 0; index < shape.count; index++ {
			if err := stream.SendMsg(&message); err != nil {
				return fmt.Errorf("sending message %d of %d bytes: %w", index, shape.size, err)
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		var answer []byte
		if err := stream.RecvMsg(&answer); err != nil {
			return fmt.Errorf("after %d messages of %d bytes: %w", shape.count, shape.size, err)
		}
		if expected := fmt.Sprintf("%d %d", shape.count, shape.count*shape.size); string(answer) != expected {
			return fmt.Errorf("expected the answer %q, got %q", expected, answer)
		}
		if err := expectEnd(stream); err != nil {
			return err
		}
	}
	return nil
}

// testBidi: 1,000 messages go to and fro, each sent when the one before it is back; then the client ends, and the
// server. A stream without messages ends as well.
func testBidi(ctx context.Context, p *peer, _ string) error {
	for _, count := range []int{1000, 0} {
		stream, err := p.open(ctx, "BidiStream")
		if err != nil {
			return err
		}
		for index := 0; index < count; index++ {
			message := []byte(strings.Repeat(fmt.Sprint("ping ", index, " "), index%50))
			if err := stream.SendMsg(&message); err != nil {
				return fmt.Errorf("sending message %d: %w", index, err)
			}
			var answer []byte
			if err := stream.RecvMsg(&answer); err != nil {
				return fmt.Errorf("instead of message %d: %w", index, err)
			}
			if !bytes.Equal(answer, message) {
				return fmt.Errorf("message %d came back as %q", index, answer)
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		if err := expectEnd(stream); err != nil {
			return err
		}
	}
	return nil
}

func expectEnd(stream grpc.ClientStream) error {
	var extra []byte
	if err := stream.RecvMsg(&extra); err != io.EOF {
		return fmt.Errorf("expected the end of the stream, got %d bytes, %v", len(extra), err)
	}
	return nil
}

// testFail: each status code arrives with its message, also one beyond ASCII and of several lines, and with trailing
// metadata.
func testFail(ctx context.Context, p *peer, _ string) error {
	messages := []string{"plain", "100 % Größe, naïve, 漢字, 🐧\nand a second line\r\n\ttabbed", ""}
	for code := codes.Code(1); code <= 16; code++ {
		for _, message := range messages {
			var trailing metadata.MD
			_, err := p.call(ctx, "Fail", []byte(fmt.Sprintf("%d %s", code, message)), grpc.Trailer(&trailing))
			if err := expectCode("Fail", err, code); err != nil {
				return err
			}
			if got := status.Convert(err).Message(); got != message {
				return fmt.Errorf("code %d: expected the message %q, got %q", code, message, got)
			}
			if got := trailing["detail-bin"]; len(got) != 1 || got[0] != string(failureDetail) {
				return fmt.Errorf("code %d: expected trailing metadata detail-bin %q, got %q", code, failureDetail, got)
			}
		}
	}
	return nil
}

// testDeadline: a call with a deadline ends by it, and the server cancels the handler.
func testDeadline(ctx context.Context, p *peer, _ string) error {
	return endHangs(ctx, p, 1, func(int) error {
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		_, err := p.call(brief, "Hang", nil)
		return expectCode("Hang with a deadline", err, codes.DeadlineExceeded)
	})
}

// testCancel: a call that the client cancels ends at once, and the server cancels the handler.
func testCancel(ctx context.Context, p *peer, _ string) error {
	return endHangs(ctx, p, 1, func(attempt int) error {
		cancellable, cancel := context.WithCancel(ctx)
		defer cancel()
		// Cancelled too early, the call never reaches the handler: later with each attempt.
		timer := time.AfterFunc(time.Duration(attempt)*20*time.Millisecond, cancel)
		defer timer.Stop()
		_, err := p.call(cancellable, "Hang", nil)
		return expectCode("Hang when cancelled", err, codes.Canceled)
	})
}

// endHangs makes calls of Hang that end, until the server has counted that many more cancelled handlers than before an
// attempt. A call that ends before the server has called its handler cannot count, hence several attempts.
func endHangs(ctx context.Context, p *peer, count int, hang func(attempt int) error) error {
	const attempts = 5
	var uncounted error
	for attempt := 1; attempt <= attempts; attempt++ {
		before, err := p.cancelledHangs(ctx)
		if err != nil {
			return err
		}
		if err := hang(attempt); err != nil {
			return err
		}
		if uncounted = p.waitForCancelledHangs(ctx, before+count); uncounted == nil {
			return nil
		}
	}
	return fmt.Errorf("in each of %d attempts: %w", attempts, uncounted)
}

// testDisconnect: when a connection breaks off while calls of each shape are under way, the server cancels the
// handlers, and serves on.
func testDisconnect(ctx context.Context, p *peer, path string) error {
	const hangs = 3
	if err := endHangs(ctx, p, hangs, func(int) error { return breakOffDuringCalls(ctx, path, hangs) }); err != nil {
		return err
	}
	return echoOf(ctx, p, 1000)
}

func breakOffDuringCalls(ctx context.Context, path string, hangs int) error {
	doomed, err := connect(ctx, path)
	if err != nil {
		return err
	}
	defer doomed.Close()

	var hanging []grpc.ClientStream
	for len(hanging) < hangs {
		stream, err := doomed.open(ctx, "Hang")
		if err != nil {
			return err
		}
		var request []byte
		if err := stream.SendMsg(&request); err != nil {
			return fmt.Errorf("sending Hang's request: %w", err)
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		hanging = append(hanging, stream)
	}
	unread, err := doomed.openServerStream(ctx, 1000000, 1024)
	if err != nil {
		return err
	}
	upload, err := doomed.open(ctx, "ClientStream")
	if err != nil {
		return err
	}
	bidi, err := doomed.open(ctx, "BidiStream")
	if err != nil {
		return err
	}
	message := []byte("under way")
	for _, stream := range []grpc.ClientStream{upload, bidi} {
		if err := stream.SendMsg(&message); err != nil {
			return fmt.Errorf("before breaking off: %w", err)
		}
	}
	// What was sent last is answered, so the server has received it all.
	for _, stream := range []grpc.ClientStream{bidi, unread} {
		var answer []byte
		if err := stream.RecvMsg(&answer); err != nil {
			return fmt.Errorf("before breaking off: %w", err)
		}
	}
	doomed.breakOff()
	for _, stream := range append(hanging, upload, bidi) {
		var answer []byte
		if err := expectCode("a call that broke off", stream.RecvMsg(&answer), codes.Unavailable); err != nil {
			return err
		}
	}
	return nil
}

// testBackpressure: a stream that is not read stays complete and in order, and does not hold up other calls on the
// connection.
func testBackpressure(ctx context.Context, p *peer, _ string) error {
	const count, size = 200000, 1024
	stream, err := p.openServerStream(ctx, count, size)
	if err != nil {
		return err
	}
	var first []byte
	if err := stream.RecvMsg(&first); err != nil {
		return fmt.Errorf("instead of the first message: %w", err)
	}
	for pause := time.After(time.Second); ; {
		if err := echoOf(ctx, p, 1000); err != nil {
			return fmt.Errorf("beside a stream that is not read: %w", err)
		}
		select {
		case <-pause:
			return readInOrder(stream, 1, count, size)
		default:
		}
	}
}

// testConcurrency: 200 callers at once, 50 calls each; every answer belongs to its call.
func testConcurrency(ctx context.Context, p *peer, _ string) error {
	const callers, calls = 200, 50
	results := make(chan error, callers)
	for caller := 0; caller < callers; caller++ {
		go func(caller int) {
			results <- func() error {
				for call := 0; call < calls; call++ {
					request := fmt.Sprintf("caller %d, call %d", caller, call)
					answer, err := p.call(ctx, "Unary", []byte(request))
					if err != nil {
						return fmt.Errorf("%s: %w", request, err)
					}
					if string(answer) != request {
						return fmt.Errorf("%s: got the answer %q", request, answer)
					}
				}
				return nil
			}()
		}(caller)
	}
	for caller := 0; caller < callers; caller++ {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

// testUnimplemented: a method and a service that the server does not have.
func testUnimplemented(ctx context.Context, p *peer, _ string) error {
	for _, method := range []string{"/" + serviceName + "/NoSuchMethod", "/test.NoSuchService/Unary"} {
		var request, answer []byte
		if err := expectCode(method, p.Invoke(ctx, method, &request, &answer), codes.Unimplemented); err != nil {
			return err
		}
		description := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
		stream, err := p.NewStream(ctx, description, method)
		if err == nil {
			err = stream.RecvMsg(&answer)
		}
		if err := expectCode(method+" as a stream", err, codes.Unimplemented); err != nil {
			return err
		}
	}
	return nil
}
