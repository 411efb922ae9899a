using Moe.Testing;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class VectorMachineTests
{
    public static TheoryData<VectorMachineKernel, ExpertLaw> KernelsAndLaws()
    {
        var cases = new TheoryData<VectorMachineKernel, ExpertLaw>();
        foreach (var kernel in Enum.GetValues<VectorMachineKernel>())
        {
            foreach (var law in ExpertContract.Laws)
                cases.Add(kernel, law);
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(KernelsAndLaws))]
    public void It_obeys_the_contract_of_experts(VectorMachineKernel kernel, ExpertLaw law) =>
        new ExpertContract(() => Fitted(kernel), ScalarType.Float64).Verify(law);

    [Fact]
    public void It_survives_the_scope_that_it_was_fitted_in()
    {
        var machine = Fitted(VectorMachineKernel.Rbf);
        using var scope = NewDisposeScope();
        machine.forward(zeros(2, 2)).shape.Should().Equal(2, 3);
    }

    [Theory]
    [InlineData(VectorMachineKernel.Linear)]
    [InlineData(VectorMachineKernel.Rbf)]
    [InlineData(VectorMachineKernel.Polynomial)]
    public void What_is_read_back_answers_the_same_to_the_bit(VectorMachineKernel kernel)
    {
        using var scope = NewDisposeScope();
        var machine = Fitted(kernel);
        using var state = machine.ToState();
        var read = (VectorMachine)StoredExperts.Read(state);
        state.Dispose();

        var rows = MachineData.Clouds(2, 40, 3).Inputs;
        read.forward(rows).Numbers().Should().Equal(machine.forward(rows).Numbers());
        read.DecisionValues(rows).Numbers().Should().Equal(machine.DecisionValues(rows).Numbers());
        read.OutOfSample().Numbers().Should().Equal(machine.OutOfSample().Numbers());
        read.Pairs.Should().Equal(machine.Pairs);
        (read.Kernel, read.Gamma, read.Power, read.Converged, read.Iterations, read.SupportVectors).Should()
            .Be((machine.Kernel, machine.Gamma, machine.Power, machine.Converged, machine.Iterations, machine.SupportVectors));
    }

    [Fact]
    public void A_state_that_does_not_fit_together_is_refused()
    {
        using var scope = NewDisposeScope();
        using var state = new ExpertState("vector-machine").Set("present", new[] { 1, 1 }).Set("classes", 3).Set("kernel", VectorMachineKernel.Rbf);
        var act = () => StoredExperts.Read(state);
        act.Should().Throw<ArgumentException>().WithMessage("*classes 1, 1 of 3*");
    }

    [Fact]
    public void Many_rows_are_answered_in_blocks_as_they_are_alone()
    {
        using var scope = NewDisposeScope();
        var machine = Fitted(VectorMachineKernel.Rbf);
        var few = MachineData.Clouds(3, 40, 3).Inputs;
        var many = few.repeat(3000, 1);
        var answer = machine.forward(many);
        answer.size(0).Should().BeGreaterThan(4_000_000 / machine.SupportVectors, "there is more than one block");
        var expected = machine.forward(few).repeat(3000, 1);
        answer.sub(expected).abs().max().item<double>().Should().BeLessThan(1e-12);
    }

    [Fact]
    public void Log_densities_are_logs_of_the_probabilities_given()
    {
        using var scope = NewDisposeScope();
        var machine = Fitted(VectorMachineKernel.Rbf);
        var data = MachineData.Clouds(4, 30, 3);
        var expected = machine.forward(data.Inputs).Numbers().Chunk(3).Select((row, place) => Math.Log(row[place % 3]));
        machine.LogDensity(data.Inputs, data.Response).Numbers().Should().Equal(expected);

        var wrong = () => machine.LogDensity(data.Inputs, Response.Class(data.Response.Values, 4));
        wrong.Should().Throw<ArgumentException>().WithMessage("*3 classes*4 classes*");
        var shorter = () => machine.LogDensity(data.Inputs, Response.Class(zeros(3), 3));
        shorter.Should().Throw<ArgumentException>().WithMessage("*30 rows, got 3*");
    }

    [Fact]
    public void Out_of_sample_answers_are_the_callers_to_change()
    {
        using var scope = NewDisposeScope();
        var machine = Fitted(VectorMachineKernel.Rbf);
        var before = machine.OutOfSample().Numbers();
        machine.OutOfSample().zero_();
        machine.OutOfSample().Numbers().Should().Equal(before);
    }

    [Fact]
    public void Nothing_leaks_from_what_it_answers()
    {
        using var scope = NewDisposeScope();
        var machine = Fitted(VectorMachineKernel.Rbf);
        var data = MachineData.Clouds(5, 30, 3);
        LiveTensors.After(() => machine.forward(data.Inputs).Dispose()).Should().Be(0);
        LiveTensors.After(() => machine.DecisionValues(data.Inputs).Dispose()).Should().Be(0);
        LiveTensors.After(() => machine.LogDensity(data.Inputs, data.Response).Dispose()).Should().Be(0);
        LiveTensors.After(() => machine.OutOfSample().Dispose()).Should().Be(0);
    }

    private static VectorMachine Fitted(VectorMachineKernel kernel)
    {
        using var scope = NewDisposeScope();
        return MachineData.Clouds(1, 60, 3, 1.5).Machine(new() { Kernel = kernel });
    }
}
