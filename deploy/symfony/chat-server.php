<?php

declare(strict_types=1);

use App\Chat\ChatServer;
use Ratchet\Http\HttpServer;
use Ratchet\Server\IoServer;
use Ratchet\WebSocket\WsServer;

require __DIR__.'/../vendor/autoload.php';

// On this machine alone: whoever reaches the port can say who it is.
IoServer::factory(new HttpServer(new WsServer(new ChatServer())), 8080, '127.0.0.1')->run();
