using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing.Tests;

/// <summary>Routers with one thing wrong each, under the law that must notice.</summary>
internal static class BrokenRouters
{
    public static IReadOnlyDictionary<string, (RouterLaw Law, Func<RouterContractCase, Router> Make)> All { get; } =
        new Dictionary<string, (RouterLaw, Func<RouterContractCase, Router>)>
        {
            ["sends a token twice to the same expert"] = (RouterLaw.DistinctExperts, c => new SameTwice(c)),
            ["sends a token to an expert that is not there"] = (RouterLaw.DistinctExperts, c => new OneTooFar(c)),
            ["weighs a token with NaN"] = (RouterLaw.FiniteWeights, c => new Weighing(c, weights => weights.masked_fill(weights.eq(weights.max()), double.NaN))),
            ["weighs in another type"] = (RouterLaw.FiniteWeights, c => new Weighing(c, weights => weights.to(weights.dtype == ScalarType.Float32 ? ScalarType.Float64 : ScalarType.Float32))),
            ["sends tokens where nobody counts them"] = (RouterLaw.ConsistentCounts, c => new OneTooFar(c)),
            ["calls its logits scores"] = (RouterLaw.FiniteScores, c => new Scoring(c, logits => logits)),
            ["says that sigmoids sum to 1"] = (RouterLaw.FiniteScores, c => new Scoring(c, logits => logits.sigmoid())),
            ["mixes slots by the wrong dimension"] = (RouterLaw.SlotsAreMeans, c => new WrongSlots(c)),
            ["cuts the gradient off"] = (RouterLaw.GradientsArrive, c => new Scoring(c, logits => logits.detach().softmax(-1))),
            ["has a gradient that is NaN"] = (RouterLaw.GradientsArrive, c => new Scoring(c, logits => logits.softmax(-1) + (logits - logits).sqrt() * 0)),
            ["draws in evaluation mode"] = (RouterLaw.DeterministicEvaluation, c => new Noisy(c, router => router.Generator)),
            ["draws in evaluation mode from torch's generator"] = (RouterLaw.DeterministicEvaluation, c => new Noisy(c, _ => null)),
            ["draws from torch's generator"] = (RouterLaw.ReproducibleTraining, c => new Noisy(c, _ => null)),
            ["counts padding into a mean"] = (RouterLaw.PaddingIsAbsent, c => new Centred(c)),
            ["divides by the number of real tokens"] = (RouterLaw.PaddingOnly, c => new PerRealToken(c)),
            ["needs two tokens"] = (RouterLaw.OneToken, c => new Standardised(c)),
            ["needs two experts"] = (RouterLaw.OneExpert, c => new Choosing(c, scores => scores.topk(2, dim: -1).indexes)),
            ["needs an expert that is not chosen"] = (RouterLaw.AllExperts, c => new Choosing(c, MoreThanTheThird)),
            ["takes equal scores out together"] = (RouterLaw.Ties, c => new Choosing(c, BestThenBestOfLess)),
            ["takes exponentials of anything"] = (RouterLaw.LargeTokens, c => new Scoring(c, logits => logits.exp() / logits.exp().sum(dim: 1, keepdim: true))),
            ["makes NaN a number"] = (RouterLaw.NonFiniteTokensRefused, c => new Forgiving(c)),
            ["routes Float64 in Float32"] = (RouterLaw.EveryFloatingType, c => new Narrow(c)),
            ["is rounded with the model"] = (RouterLaw.StaysInFloat32, c => new Rounded(c)),
            ["looks at the length of sequences"] = (RouterLaw.LeadingDimensions, c => new ByLength(c)),
            ["looks ahead and does not say so"] = (RouterLaw.HonestCausality, c => new Centred(c)),
            ["has weights that are not saved"] = (RouterLaw.StateRoundTrip, c => new Unregistered(c)),
            ["keeps a tensor of each call"] = (RouterLaw.NothingLeaks, c => new Scoring(c, logits => logits.softmax(-1) + zeros_like(logits).DetachFromDisposeScope())),
            ["uses a tensor of an earlier decision again"] = (RouterLaw.SurvivesInPass, c => new Cached(c)),
            ["serves one thread at a time"] = (RouterLaw.Threads, c => new OneAtATime(c)),
            ["ignores forced choices"] = (RouterLaw.ForcedChoices, c => new Wilful(c)),
        };

    /// <summary>Those whose score is above that of the third.</summary>
    private static Tensor MoreThanTheThird(Tensor scores)
    {
        var values = scores.topk(Math.Min(2, (int)scores.size(1)) + 1, dim: -1).values;
        return scores.gt(values.narrow(1, values.size(1) - 1, 1)).to(ScalarType.Float32).topk((int)values.size(1) - 1, dim: -1).indexes;
    }

    /// <summary>The best, and the best of those with less.</summary>
    private static Tensor BestThenBestOfLess(Tensor scores)
    {
        var best = scores.argmax(1, keepdim: true);
        return scores.size(1) == 1 ? best : cat([best, scores.masked_fill(scores.ge(scores.amax([1], keepdim: true)), -1).argmax(1, keepdim: true)], 1);
    }

    private sealed class Scoring(RouterContractCase c, Func<Tensor, Tensor> score) : PlainRouter(c)
    {
        protected override Tensor Scores(Tensor logits) => score(logits);
    }

    private sealed class Choosing(RouterContractCase c, Func<Tensor, Tensor> choose) : PlainRouter(c)
    {
        protected override Tensor Choose(Tensor scores) => choose(scores);
    }

    private sealed class Weighing(RouterContractCase c, Func<Tensor, Tensor> weigh) : PlainRouter(c)
    {
        protected override Tensor Weigh(Tensor scores, Tensor indices) => weigh(base.Weigh(scores, indices));
    }

    private sealed class SameTwice(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Choose(Tensor scores) => base.Choose(scores).narrow(1, 0, 1).expand(-1, 2).contiguous();
    }

    /// <summary>The number of experts stands for "none" inside the library.</summary>
    private sealed class OneTooFar(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Choose(Tensor scores) => base.Choose(scores) + 1;

        protected override Tensor Weigh(Tensor scores, Tensor indices) => base.Weigh(scores, indices - 1);
    }

    private sealed class WrongSlots(RouterContractCase c) : PlainRouter(c)
    {
        protected override RoutingProposal Propose(RouterInput input)
        {
            var proposal = base.Propose(input);
            var mix = proposal.Scores.unsqueeze(0);
            return new RoutingProposal
            {
                Logits = proposal.Logits,
                Scores = proposal.Scores,
                Indices = proposal.Indices,
                Weights = proposal.Weights,
                Slots = new SlotMix(mix, mix.alias(), slotsPerExpert: 1),
            };
        }
    }

    private sealed class Noisy(RouterContractCase c, Func<Router, Generator?> generator) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input)
        {
            var logits = base.Logits(input);
            return logits + randn(logits.shape, dtype: logits.dtype, generator: generator(this));
        }
    }

    private sealed class Centred(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => base.Logits(input) * (1 + input.Tokens.mean([0], keepdim: true).sum());
    }

    private sealed class PerRealToken(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => base.Logits(input) / (input.Mask?.sum() ?? ones(1));
    }

    private sealed class Standardised(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => base.Logits(input) / input.Tokens.std(0, unbiased: true).sum();
    }

    private sealed class Forgiving(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => base.Logits(input).nan_to_num();
    }

    private sealed class Narrow(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => nn.functional.linear(input.Tokens.to(ScalarType.Float32), Weight.to(ScalarType.Float32));
    }

    private sealed class Rounded(RouterContractCase c) : PlainRouter(c)
    {
        protected override nn.Module _to(ScalarType dtype, bool non_blocking)
        {
            var module = base._to(dtype, non_blocking);
            using var noGrad = no_grad();
            Weight.copy_(Weight.to(dtype));
            return module;
        }
    }

    private sealed class ByLength(RouterContractCase c) : PlainRouter(c)
    {
        protected override Tensor Logits(RouterInput input) => base.Logits(input) / input.SequenceLength;
    }

    private sealed class Unregistered(RouterContractCase c) : PlainRouter(c)
    {
        private readonly Tensor[] _scale = [rand([1], generator: c.Generator).DetachFromDisposeScope()];

        protected override Tensor Logits(RouterInput input) => base.Logits(input) * _scale[0].to(input.Tokens.dtype);
    }

    private sealed class Cached(RouterContractCase c) : PlainRouter(c)
    {
        private readonly Dictionary<long, Tensor> _indices = [];

        protected override Tensor Choose(Tensor scores)
        {
            if (!_indices.TryGetValue(scores.size(0), out var indices))
                _indices[scores.size(0)] = indices = zeros(scores.size(0), 1, dtype: ScalarType.Int64);
            return indices;
        }
    }

    private sealed class OneAtATime(RouterContractCase c) : PlainRouter(c)
    {
        private int _inside;

        protected override Tensor Logits(RouterInput input)
        {
            if (Interlocked.Increment(ref _inside) > 1)
                throw new InvalidOperationException("Another thread is here.");
            Thread.Sleep(50);
            Interlocked.Decrement(ref _inside);
            return base.Logits(input);
        }
    }

    private sealed class Wilful(RouterContractCase c) : PlainRouter(c)
    {
        protected override RoutingProposal Propose(RouterInput input)
        {
            var logits = Logits(input);
            var scores = Scores(logits);
            var indices = Choose(scores.detach());
            return new RoutingProposal { Logits = logits, Scores = scores, Indices = indices, Weights = Weigh(scores, indices) };
        }
    }
}
