using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>Rules that mark their choice by scattering: torch takes a scalar there for a tensor without dimensions, and refuses it.</summary>
public sealed class ScatteredChoiceTests
{
    [Fact]
    public void The_best_groups_are_those_a_token_may_use()
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(Make.Options(topK: 2) with { Selection = new GroupLimitedSelection { Groups = 2, KeptGroups = 1 } });

        Compare.Longs(gate.Route(eye(4, dtype: ScalarType.Float64)).Indices).Should().Equal(3, 2, 1, 0, 3, 2, 2, 3);
    }

    [Fact]
    public void The_best_expert_is_taken_also_below_a_threshold()
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(Make.Options(topK: 2) with { Selection = new ThresholdSelection { Threshold = 0.4 } });
        using var decision = gate.Route(eye(4, dtype: ScalarType.Float64));

        Compare.Bools(decision.Chosen!).Should().Equal(true, false, true, false, true, false, true, false);
    }

    [Fact]
    public void The_second_expert_of_SparseMixer_is_not_the_first()
    {
        using var scope = NewDisposeScope();
        using var gate = Gate(Make.Options(topK: 2) with { Selection = new SparseMixerSelection() });
        gate.eval();

        Compare.Longs(gate.Route(eye(4, dtype: ScalarType.Float64)).Indices).Should().Equal(3, 1, 1, 0, 1, 3, 2, 3);
    }

    /// <summary>Token t has the scores of column t.</summary>
    private static GatingNetwork Gate(GatingOptions options)
    {
        using var noGrad = no_grad();
        var gate = new GatingNetwork(options, dtype: ScalarType.Float64);
        gate.Weight.copy_(tensor(new double[] { 0.1, 0.2, 0.0, 0.4, 0.3, 0.5, 0.4, 0.0, 0.2, 0.1, 0.2, 0.5, 0.6, 0.1, 0.3, 0.45 }).reshape(4, 4));
        return gate;
    }
}
