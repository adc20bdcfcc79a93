package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const serviceName = "test.Echo"

// failureDetail is what Fail sends as the trailing metadata "detail-bin".
var failureDetail = []byte{0x00, 0xff, 0x10}

// echo is the service test.Echo.
type echo struct {
	// cancelledHangs counts the handlers of Hang whose call was cancelled. Use atomically.
	cancelledHangs int64
}

// unary answers with the message, the request's metadata with keys echo-… as initial metadata, and that with keys
// echo-trailing-… as trailing metadata.
func (e *echo) unary(ctx context.Context, request []byte) ([]byte, error) {
	received, _ := metadata.FromIncomingContext(ctx)
	initial, trailing := metadata.MD{}, metadata.MD{}
	for key, values := range received {
		switch {
		case strings.HasPrefix(key, "echo-trailing-"):
			trailing[key] = values
		case strings.HasPrefix(key, "echo-"):
			initial[key] = values
		}
	}
	if err := grpc.SetHeader(ctx, initial); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, trailing); err != nil {
		return nil, err
	}
	return request, nil
}

// fail ends with the status that the request "CODE message" asks for, and trailing metadata.
func (e *echo) fail(ctx context.Context, request []byte) ([]byte, error) {
	fields := strings.SplitN(string(request), " ", 2)
	code, err := strconv.Atoi(fields[0])
	if err != nil || len(fields) != 2 {
		return nil, status.Errorf(codes.InvalidArgument, "Fail takes \"CODE message\", not %q", request)
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("detail-bin", string(failureDetail))); err != nil {
		return nil, err
	}
	return nil, status.Error(codes.Code(code), fields[1])
}

// hang answers nothing until its call is cancelled.
func (e *echo) hang(ctx context.Context, _ []byte) ([]byte, error) {
	<-ctx.Done()
	atomic.AddInt64(&e.cancelledHangs, 1)
	return nil, status.FromContextError(ctx.Err()).Err()
}

// cancelled answers the number of handlers of Hang that have been cancelled so far, in decimal.
func (e *echo) cancelled(context.Context, []byte) ([]byte, error) {
	return []byte(strconv.FormatInt(atomic.LoadInt64(&e.cancelledHangs), 10)), nil
}

// serverStream takes "N SIZE" and sends N messages of SIZE bytes, of which the first eight are the message's index,
// from 0, in big-endian order. SIZE is at least 8.
func (e *echo) serverStream(stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	var count uint64
	var size int
	if _, err := fmt.Sscanf(string(request), "%d %d", &count, &size); err != nil || size < 8 {
		return status.Errorf(codes.InvalidArgument, "ServerStream takes \"N SIZE\", SIZE at least 8, not %q", request)
	}
	for index := uint64(0); index < count; index++ {
		message := make([]byte, size)
		binary.BigEndian.PutUint64(message, index)
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return nil
}

// clientStream answers "N TOTAL" at the end of the stream: how many messages and how many bytes it received.
func (e *echo) clientStream(stream grpc.ServerStream) error {
	count, total := 0, 0
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == io.EOF {
			answer := []byte(fmt.Sprintf("%d %d", count, total))
			return stream.SendMsg(&answer)
		}
		if err != nil {
			return err
		}
		count++
		total += len(message)
	}
}

// bidiStream sends each message back at once.
func (e *echo) bidiStream(stream grpc.ServerStream) error {
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

func (e *echo) description() *grpc.ServiceDesc {
	method := func(name string, handle func(context.Context, []byte) ([]byte, error)) grpc.MethodDesc {
		return grpc.MethodDesc{
			MethodName: name,
			Handler: func(_ interface{}, ctx context.Context, decode func(interface{}) error,
				_ grpc.UnaryServerInterceptor) (interface{}, error) {
				var request []byte
				if err := decode(&request); err != nil {
					return nil, err
				}
				answer, err := handle(ctx, request)
				return &answer, err
			},
		}
	}
	stream := func(name string, handle func(grpc.ServerStream) error, fromClient, fromServer bool) grpc.StreamDesc {
		return grpc.StreamDesc{
			StreamName:    name,
			Handler:       func(_ interface{}, stream grpc.ServerStream) error { return handle(stream) },
			ClientStreams: fromClient,
			ServerStreams: fromServer,
		}
	}
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*interface{})(nil),
		Methods: []grpc.MethodDesc{
			method("Unary", e.unary),
			method("Fail", e.fail),
			method("Hang", e.hang),
			method("Cancelled", e.cancelled),
		},
		Streams: []grpc.StreamDesc{
			stream("ServerStream", e.serverStream, false, true),
			stream("ClientStream", e.clientStream, true, false),
			stream("BidiStream", e.bidiStream, true, true),
		},
	}
}

// serve offers the service at a unix socket until standard input ends.
func serve(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	service := &echo{}
	server := grpc.NewServer(
		grpc.CustomCodec(rawCodec{}),
		grpc.MaxRecvMsgSize(maxMessageSize),
		grpc.MaxSendMsgSize(maxMessageSize),
	)
	server.RegisterService(service.description(), service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	go func() {
		// The end of standard input, whatever came before it, is the sign to end.
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	fmt.Println("ready")
	return <-served
}
