<?php

declare(strict_types=1);

namespace App\Chat;

use Ratchet\ConnectionInterface;
use Ratchet\MessageComponentInterface;

/**
 * The chat that many begin with: what one says, everybody else reads. Who it is comes from the gateway.
 */
final class ChatServer implements MessageComponentInterface
{
    /** @var \SplObjectStorage<ConnectionInterface, Visitor> */
    private \SplObjectStorage $visitors;

    public function __construct()
    {
        $this->visitors = new \SplObjectStorage();
    }

    public function onOpen(ConnectionInterface $connection): void
    {
        // Ratchet puts the request of the handshake here; the gateway has written all of it.
        $this->visitors[$connection] = Visitor::fromRequest($connection->httpRequest);
    }

    public function onMessage(ConnectionInterface $from, $message): void
    {
        $line = json_encode(
            ['from' => $this->visitors[$from]->subject, 'text' => (string) $message],
            JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE,
        );
        foreach ($this->visitors as $connection) {
            if ($connection !== $from) {
                $connection->send($line);
            }
        }
    }

    public function onClose(ConnectionInterface $connection): void
    {
        $this->visitors->detach($connection);
    }

    public function onError(ConnectionInterface $connection, \Exception $fault): void
    {
        $connection->close();
    }
}
