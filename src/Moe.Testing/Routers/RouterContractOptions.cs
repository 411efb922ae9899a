using System.Collections.ObjectModel;
using Moe.Core;

namespace Moe.Testing;

/// <summary>What a <see cref="RouterContract"/> must know about the router that it puts to the test.</summary>
/// <remarks>Immutable data; validated as a whole when a contract is made.</remarks>
public sealed record RouterContractOptions
{
    /// <summary>D, the width of the tokens.</summary>
    /// <value>The default is 6. Range: at least 1.</value>
    public long InputWidth { get; init; } = 6;

    /// <summary>The smallest number of experts that the router can be made for.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int MinimumExperts { get; init; } = 1;

    /// <summary>What the number of experts must be divisible by.</summary>
    /// <value>The default is 1. Range: at least 1.</value>
    public int ExpertMultiple { get; init; } = 1;

    /// <summary>V, if the router wants token ids: they are drawn from 0 … V-1.</summary>
    /// <value>The default is null: no ids are given. Range: at least 1.</value>
    public long? VocabularySize { get; init; }

    /// <summary>Whether the router looks at each sequence (the input's second to last dimension) on its own, so that how tokens are grouped matters.</summary>
    /// <value>The default is false: [B, S, D] is routed as [B · S, D].</value>
    public bool SequenceScope { get; init; }

    /// <summary>Whether nothing is drawn in evaluation mode.</summary>
    /// <value>The default is true.</value>
    public bool DeterministicEvaluation { get; init; } = true;

    /// <summary>The parameters that get no gradient from the weights while training, by name, each with the reason.</summary>
    /// <value>The default is none. Gradients that do come must be finite all the same.</value>
    public IReadOnlyDictionary<string, string> WithoutGradient { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>The seeds of weights, tokens and draws; each adds cases.</summary>
    /// <value>The default is 1. Range: at least one.</value>
    public IReadOnlyList<ulong> Seeds { get; init; } = [1];

    internal void Validate(string parameterName) =>
        new OptionFailures(nameof(RouterContractOptions))
            .Require(InputWidth >= 1, $"InputWidth ({InputWidth}) must be at least 1.")
            .Require(MinimumExperts >= 1, $"MinimumExperts ({MinimumExperts}) must be at least 1.")
            .Require(ExpertMultiple >= 1, $"ExpertMultiple ({ExpertMultiple}) must be at least 1.")
            .Require(VocabularySize is null or >= 1, $"VocabularySize ({VocabularySize}) must be at least 1, or null.")
            .Require(WithoutGradient is not null, "WithoutGradient (null) must be a dictionary.")
            .Require(WithoutGradient?.Values.All(reason => !string.IsNullOrWhiteSpace(reason)) ?? true, "WithoutGradient must give a reason for each parameter.")
            .Require(Seeds is { Count: > 0 }, "Seeds (none) must be at least one.")
            .ThrowIfAny(parameterName);
}
