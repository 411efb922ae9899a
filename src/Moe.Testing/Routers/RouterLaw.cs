using Moe.Core;

namespace Moe.Testing;

/// <summary>The laws of routing, each of which some part of a layer relies on. T tokens, E experts, K choices.</summary>
public enum RouterLaw
{
    /// <summary>Indices lie in 0 … E-1, and no expert is chosen twice for a token.</summary>
    DistinctExperts,

    /// <summary>Weights are finite, of the type that is routed in, and 0 where nothing is kept.</summary>
    FiniteWeights,

    /// <summary>Counts, load and what is assigned are what a recount gives; kept + dropped + padding + declined = T · K; no expert has more than its places.</summary>
    ConsistentCounts,

    /// <summary>Scores are finite, 0 or more, and sum to 1 where <see cref="RoutingDecision.ScoresSumToOne"/> says so.</summary>
    FiniteScores,

    /// <summary>A slot is a mean of real tokens, a real token's answer a mean of slots; padding is in none. Holds for routers without slots.</summary>
    SlotsAreMeans,

    /// <summary>While training, gradients of the weights, and of the outputs of a layer, reach every parameter of the router and are finite.</summary>
    GradientsArrive,

    /// <summary>In evaluation mode the same tokens are routed the same, to the bit, and nothing is drawn from the router's generator or torch's.</summary>
    DeterministicEvaluation,

    /// <summary>While training, the same seed gives the same decision, to the bit: all draws come from the router's generator.</summary>
    ReproducibleTraining,

    /// <summary>Padding is not kept, counts nowhere, gets 0 from a layer; what it holds, NaN too, changes nothing, and real tokens are routed as if it were not there.</summary>
    PaddingIsAbsent,

    /// <summary>A batch of nothing but padding is routed: nowhere, with finite gradients.</summary>
    PaddingOnly,

    /// <summary>A batch without tokens is refused with an <see cref="ArgumentException"/> that names the shape.</summary>
    NoTokensRefused,

    /// <summary>One token alone is routed by all the laws of a decision.</summary>
    OneToken,

    /// <summary>One expert is all that is asked of E. Passes where a router needs more.</summary>
    OneExpert,

    /// <summary>K = E is routed by all the laws of a decision. Passes where a router never asks all.</summary>
    AllExperts,

    /// <summary>Equal logits, by tokens of zeros, by equal tokens and by parameters of zeros, are routed by all the laws, the same each time, with finite gradients.</summary>
    Ties,

    /// <summary>Tokens ten thousand times as large as usual, whose scores are rounded to 0 and 1, are routed by all the laws, with finite gradients.</summary>
    LargeTokens,

    /// <summary>NaN or infinity in a real token is refused with a <see cref="NonFiniteRoutingException"/> that names the router, which works on afterwards.</summary>
    NonFiniteTokensRefused,

    /// <summary>Float64 is routed in Float64; Float32, BFloat16 and Float16 in Float32, the same as after conversion; whatever type the parameters have.</summary>
    EveryFloatingType,

    /// <summary>Moved to BFloat16 or Float16, alone or in a layer, a router stays in Float32 and decides the same.</summary>
    StaysInFloat32,

    /// <summary>Another width, type, device, or a mask that does not fit is refused with an <see cref="ArgumentException"/>, and the router works on afterwards.</summary>
    WrongInputRefused,

    /// <summary>[B, S, D] is routed as [B · S, D]; by a router that looks at sequences, as each sequence alone.</summary>
    LeadingDimensions,

    /// <summary>If <see cref="Router.IsCausal"/>, no change of a later token changes what happens to earlier ones of its sequence, in either mode.</summary>
    HonestCausality,

    /// <summary>A router that has loaded the saved state of another decides as that one does.</summary>
    StateRoundTrip,

    /// <summary>Routing, a layer's forward and backward pass, and refusals leave no tensor alive.</summary>
    NothingLeaks,

    /// <summary>A decision in a <see cref="RoutingPass"/> outlives the scopes of the model and ends with the pass; the router works on.</summary>
    SurvivesInPass,

    /// <summary>One router in evaluation mode, and several in training mode with generators of their own, decide on several threads as they do on one.</summary>
    Threads,

    /// <summary>Forced choices are obeyed, or refused with an <see cref="ArgumentException"/>; those of a trace give the same weights again.</summary>
    ForcedChoices,
}
