using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>Tokens with what goes with them.</summary>
/// <remarks>Its tensors belong to the trial's dispose scope.</remarks>
internal sealed class TokenBatch(Tensor tokens, Tensor? ids, Tensor? mask)
{
    /// <summary>[*, D].</summary>
    public Tensor Tokens { get; } = tokens;

    /// <summary>[*], Int64; null for routers that want none.</summary>
    public Tensor? Ids { get; } = ids;

    /// <summary>[*], Bool; null when all are real.</summary>
    public Tensor? Mask { get; } = mask;

    public RoutingContext Context => new() { Mask = Mask, TokenIds = Ids };

    public TokenBatch WithTokens(Tensor tokens) => new(tokens, Ids, Mask);

    public TokenBatch WithMask(params bool[] real) => new(Tokens, Ids, tensor(real).reshape(Tokens.shape[..^1]));

    /// <summary>The same tokens in another grouping.</summary>
    public TokenBatch Grouped(params long[] leading) =>
        new(Tokens.reshape([.. leading, Tokens.size(-1)]), Ids?.reshape(leading), Mask?.reshape(leading));

    /// <summary>Some of the tokens, all real, in one sequence.</summary>
    public TokenBatch Only(params long[] tokens)
    {
        var index = tensor(tokens);
        return new(Tokens.reshape(-1, Tokens.size(-1)).index_select(0, index), Ids?.reshape(-1).index_select(0, index), null);
    }
}
