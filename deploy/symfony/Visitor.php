<?php

declare(strict_types=1);

namespace App\Chat;

use Psr\Http\Message\RequestInterface;

/**
 * Who is at the other end of a connection, as the gateway says.
 */
final class Visitor
{
    /**
     * @param list<string> $subscribe rooms that may be read: names, or prefixes that end in *
     * @param list<string> $publish   rooms that may be written into
     */
    private function __construct(
        public readonly string $subject,
        public readonly array $subscribe,
        public readonly array $publish,
        public readonly string $connectionId,
    ) {
    }

    public static function fromRequest(RequestInterface $request): self
    {
        $grants = json_decode($request->getHeaderLine('Portcullis-Grants'), true, 8, JSON_THROW_ON_ERROR);

        return new self(
            // Percent-encoded, so that a name of any letters is one safe word.
            rawurldecode($request->getHeaderLine('Portcullis-Subject')),
            $grants['subscribe'],
            $grants['publish'],
            $request->getHeaderLine('Portcullis-Connection-Id'),
        );
    }
}
